"""Understudy: footage of your own character from the animation of its armature."""


def register() -> None:
    from .blender_addon import register as register_addon

    register_addon()


def unregister() -> None:
    from .blender_addon import unregister as unregister_addon

    unregister_addon()
