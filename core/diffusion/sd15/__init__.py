"""The networks of Stable Diffusion 1.5's size: a UNet for clips, what it reads a reference with, and its control inputs."""
