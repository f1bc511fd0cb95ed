//! Whole rehearsals on the real engine: the way through, a foreign repository, and every fault
//! that ends one early.

mod engine;
mod example;
mod faults;
mod foreign;
mod interrupt;
mod run;
