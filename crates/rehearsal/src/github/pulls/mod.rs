//! Pull requests.

mod json;
mod list;
mod store;
mod write;

pub(super) use list::{list, read};
pub(super) use store::{AutoMerge, Comment, Pull, Pulls, parse_number};
pub(super) use write::{check_title, create, update};
