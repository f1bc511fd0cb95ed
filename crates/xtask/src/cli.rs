use clap::{Parser, Subcommand};

/// Tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Installs what the other tasks need and is missing; prints the variables they use
    ///
    /// Standard output is a list of `export` lines: `eval "$(cargo xtask setup)"` lets
    /// `cargo test` and `pipeline` find the tools.
    Setup {
        /// Only check: name what is missing and how to get it, and end with 2
        #[arg(long)]
        no_install: bool,
    },
    /// Runs the whole pipeline on the example repository, on this machine alone
    Rehearse {
        /// Do not install anything; end with 2 when something is missing
        #[arg(long)]
        no_install: bool,
        /// Handed on to `pipeline rehearse`, for example `--json report.json`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Formatting, lints, dependency check, all tests, documents
    Test {
        /// Do not install anything; end with 2 when something is missing
        #[arg(long)]
        no_install: bool,
    },
    /// Fetches GitHub's description of its API with npm and renews the part the tests check against
    Openapi,
    /// Measures against baselines; ends with 0 whether or not the targets are met
    Bench(crate::bench::BenchArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_the_arguments_of_rehearse_on() {
        let cli = Cli::try_parse_from(["xtask", "rehearse", "--json", "r.json", "--keep"]).unwrap();
        let Task::Rehearse { no_install, args } = cli.task else {
            panic!("not rehearse: {cli:?}");
        };
        assert!(!no_install);
        assert_eq!(args, ["--json", "r.json", "--keep"]);
    }

    #[test]
    fn keeps_no_install_for_itself() {
        let cli = Cli::try_parse_from(["xtask", "rehearse", "--no-install", "--keep"]).unwrap();
        let Task::Rehearse { no_install, args } = cli.task else {
            panic!("not rehearse: {cli:?}");
        };
        assert!(no_install);
        assert_eq!(args, ["--keep"]);
    }
}
