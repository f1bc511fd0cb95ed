//! What the crate promises, tested from the outside.

mod pin_edit;
mod pin_files;
mod pin_property;
mod pin_refusals;
mod pin_without;
mod registry_load;
mod registry_select;
mod support;
