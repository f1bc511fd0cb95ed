//! The fast lane: checks as data, run side by side
