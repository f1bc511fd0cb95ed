//! Set-up, tests, rehearsal, bench and generated documents of this repository
