//! The client against a scripted registry on this machine.

mod auth;
mod describe;
mod faults;
mod script;
mod tag;
