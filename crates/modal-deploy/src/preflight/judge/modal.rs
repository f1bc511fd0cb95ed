//! What Modal has to say.

use std::collections::BTreeMap;

use super::super::facts::{Facts, Wanted};
use super::super::finding::{Check, Finding};
use super::quoted;
use crate::client::TokenInfo;

const DAY: i64 = 24 * 60 * 60;

/// A token that ends sooner is worth a warning: time for two rounds of a weekly check.
const SOON: i64 = 14 * DAY;

const CANNOT_BE_ASKED: &str = "Modal cannot be asked";

const NEW_TOKEN: &str = "make another one (`modal token new`, or a service user of the workspace), \
                         and set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET to it";

pub(super) fn token(facts: &Facts) -> Finding {
    const UNNAMED: &str = "MODAL_TOKEN_ID";
    match (&facts.token, &facts.environments) {
        (Ok(Some(info)), _) => of_known(info, facts.now),
        (Ok(None), Ok(_)) => Check::Token.ok(
            UNNAMED,
            "it is accepted; this server does not tell whose it is",
        ),
        (Ok(None), Err(trouble)) => Check::Token.trouble(UNNAMED, trouble),
        (Err(trouble), Ok(_)) => Check::Token.warning(
            UNNAMED,
            format!(
                "it is accepted, and not known whose it is: {}",
                trouble.text
            ),
            trouble
                .cure
                .clone()
                .unwrap_or_else(|| "look at `modal token info`".to_owned()),
        ),
        // The command line, by which Modal was to be asked: that is told by its own check.
        (Err(trouble), Err(_)) if facts.client.as_ref().err() == Some(trouble) => {
            Check::Token.not_checked(UNNAMED, CANNOT_BE_ASKED)
        }
        (Err(trouble), Err(_)) => Check::Token.trouble(UNNAMED, trouble),
    }
}

fn of_known(info: &TokenInfo, now: i64) -> Finding {
    let mut text = format!("of workspace `{}`", info.workspace);
    if let Some(identity) = &info.identity {
        text = format!("of `{identity}` in workspace `{}`", info.workspace);
    }
    let Some(end) = info.expires_at else {
        return Check::Token.ok(&info.token_id, text);
    };
    let date = jiff::Timestamp::from_second(end).map_or("an unknown day".to_owned(), |end| {
        end.strftime("%Y-%m-%d").to_string()
    });
    match end.saturating_sub(now) {
        left if left <= 0 => {
            let text = format!("{text}; it ended on {date}");
            Check::Token.failed(&info.token_id, text, Some(NEW_TOKEN.to_owned()))
        }
        left if left < SOON => {
            let days = left / DAY;
            let text = format!("{text}; it ends in {days} days, on {date}");
            Check::Token.warning(&info.token_id, text, NEW_TOKEN)
        }
        _ => Check::Token.ok(&info.token_id, format!("{text}, until {date}")),
    }
}

pub(super) fn environment(wanted: &Wanted, facts: &Facts, asked: bool) -> Finding {
    let check = Check::Environment;
    let name = &wanted.environment;
    let known = match &facts.environments {
        Ok(known) => known,
        Err(trouble) if asked => return check.trouble(name.as_str(), trouble),
        Err(_) => return check.not_checked(name.as_str(), CANNOT_BE_ASKED),
    };
    if known.iter().any(|one| one.name == name.as_str()) {
        let text = match facts.created {
            Ok(true) => "it was missing, and has been made",
            _ => "it exists",
        };
        return check.ok(name.as_str(), text);
    }
    if let Err(trouble) = &facts.created {
        return check.trouble(name.as_str(), trouble);
    }
    let text = match known.is_empty() {
        true => "the workspace has no environment".to_owned(),
        false => {
            let known = quoted(known.iter().map(|one| &one.name));
            format!("the workspace does not have it; it has {known}")
        }
    };
    let cure = format!("run `modal environment create {name}`, or give --create-environment");
    check.failed(name.as_str(), text, Some(cure))
}

/// The same digest gives the same container only where the recipe is the same.
pub(super) fn image_builder(wanted: &Wanted, facts: &Facts) -> Finding {
    let check = Check::ImageBuilder;
    let subject = "all environments";
    let Ok(known) = &facts.environments else {
        return check.not_checked(subject, CANNOT_BE_ASKED);
    };
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut missing = Vec::new();
    let named = wanted.environments.iter();
    let ours = (!wanted.environments.contains(&wanted.environment)).then_some(&wanted.environment);
    for name in named.chain(ours).map(|name| name.as_str()) {
        match known.iter().find(|one| one.name == name) {
            None => missing.push(name),
            Some(found) => match &found.image_builder_version {
                None => {
                    return check.not_checked(
                        subject,
                        format!("nobody tells here which image builder `{name}` has"),
                    );
                }
                Some(version) => versions.entry(version).or_default().push(name),
            },
        }
    }
    let mut text: Vec<String> = versions
        .iter()
        .map(|(version, names)| format!("{version} in {}", quoted(names)))
        .collect();
    if !missing.is_empty() {
        text.push(format!("not there yet: {}", quoted(&missing)));
    }
    let text = text.join("; ");
    match versions.len() {
        0 => check.not_checked(subject, text),
        1 => check.ok(subject, text),
        _ => {
            let cure = "give all environments the same image builder version, in the settings of \
                        the workspace on modal.com: the same digest becomes another container \
                        otherwise";
            check.failed(subject, text, Some(cure.to_owned()))
        }
    }
}

pub(super) fn client(facts: &Facts) -> Finding {
    match &facts.client {
        Ok(version) => Check::ModalClient.ok("modal", format!("version {version}")),
        Err(trouble) => Check::ModalClient.trouble("modal", trouble),
    }
}

/// Whether Modal said that there is no such environment.
pub(super) fn is_missing(wanted: &Wanted, facts: &Facts) -> bool {
    let is_ours = |name: &str| name == wanted.environment.as_str();
    let known = facts.environments.as_ref();
    known.is_ok_and(|known| !known.iter().any(|one| is_ours(&one.name)))
}
