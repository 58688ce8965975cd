"""The bundled model: safetensors and its card."""
