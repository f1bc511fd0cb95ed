//! Compares environments and promotes pins from one to the next
