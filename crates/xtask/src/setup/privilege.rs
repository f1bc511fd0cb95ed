use process::Command;

/// How this user gets to install packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Is root.
    Root,
    /// `sudo` works without a question.
    Sudo,
    /// Not at all.
    None,
}

impl Privilege {
    /// A command that runs with all rights, with `variables` in its environment.
    pub(crate) fn command(self, variables: &[(&str, &str)], words: &[&str]) -> Command {
        let assignments = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let command = match self {
            Self::Sudo => Command::new("sudo").args(["-n", "env"]),
            Self::Root | Self::None => Command::new("env"),
        };
        command.args(assignments).args(words)
    }

    /// The same command for a person to read.
    pub(crate) fn shown(self, words: &str) -> String {
        match self {
            Self::Root => words.to_owned(),
            Self::Sudo | Self::None => format!("sudo {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_sudo_only_when_it_is_there() {
        let shown = |privilege: Privilege| {
            privilege
                .command(&[("A", "b c")], &["apt-get", "update"])
                .display()
        };
        insta::assert_snapshot!(shown(Privilege::Root), @"env 'A=b c' apt-get update");
        insta::assert_snapshot!(shown(Privilege::Sudo), @"sudo -n env 'A=b c' apt-get update");
    }
}
