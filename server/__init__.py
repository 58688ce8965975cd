"""The inference server: HTTP, the job store, and the worker's parent. Never imports torch."""
