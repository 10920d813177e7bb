//! Answers about more than one object. Tables in, tables out: this crate knows Arrow's tables and nothing of voxels,
//! windows or graphics devices. Results are the same for any number of threads.
