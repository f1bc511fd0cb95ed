//! The runner protocol, reports for people and machines, and the pipeline command
