"""The add-on's preferences: where the server is, what it runs in, where takes are kept."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..core.errors import EnvironmentMissing, ServerUnreachable
from .environment import EnvironmentSpec, TorchBuild, require
from .environment_control import environment
from .layout import draw_lines, named_beside
from .server_process import LocalServer, RemoteServer, Server

ROOT = __package__.removesuffix(".blender_addon")
# Options of a path that may begin with "//", the .blend file's folder: Blender 4.5 and later want to be told.
RELATIVE = {"ANIMATABLE", *(("PATH_SUPPORTS_BLEND_RELATIVE",) if bpy.app.version >= (4, 5) else ())}


class UnderstudyPreferences(bpy.types.AddonPreferences):
    bl_idname = ROOT

    server_mode: bpy.props.EnumProperty(
        name="Server",
        items=(
            ("LOCAL", "This Computer", "The add-on starts a server here when it needs one"),
            ("REMOTE", "Another One", "Use a server that somebody else has started"),
        ),
    )
    remote_url: bpy.props.StringProperty(name="Address", description="For example http://render-node:8765")
    remote_token: bpy.props.StringProperty(
        name="Token", description="What that server's server.json gives as its token", subtype="PASSWORD"
    )
    environment_mode: bpy.props.EnumProperty(
        name="Python Environment",
        items=(
            ("CREATED", "Made by Understudy", "The add-on makes an environment of its own, apart from Blender's Python"),
            ("EXISTING", "An Existing One", "Use a Python that has torch and the server's other packages already"),
        ),
    )
    python_path: bpy.props.StringProperty(name="Python", description="The environment's Python program", subtype="FILE_PATH")
    torch_build: bpy.props.EnumProperty(
        name="Computes On",
        items=(
            (TorchBuild.DEFAULT.value, "What Fits", "The build of torch that the package index gives for this system"),
            (TorchBuild.CPU.value, "CPU", "The smallest build of torch, from PyTorch's own index"),
            (TorchBuild.CUDA.value, "NVIDIA GPU (CUDA 12.8)", "From PyTorch's own index"),
            (TorchBuild.CUSTOM.value, "Other Index", "A build from an index of your own, such as PyTorch's for ROCm"),
        ),
    )
    index_url: bpy.props.StringProperty(name="Index", description="Address of the package index that has torch")
    takes_folder: bpy.props.StringProperty(
        name="Takes",
        description="Where takes are kept. Beside the .blend file with //; while that is not saved, in the user's own folder",
        default="//understudy",
        subtype="DIR_PATH",
        options=RELATIVE,
    )
    data_folder: bpy.props.StringProperty(
        name="Server Data",
        description="Where the local server keeps its jobs and its log. Empty: in the user's own folder",
        subtype="DIR_PATH",
    )
    weights_folder: bpy.props.StringProperty(
        name="Weights Folder",
        description="Holds a folder for each engine whose weights are published apart. Empty: weights in the server's data",
        subtype="DIR_PATH",
    )
    idle_minutes: bpy.props.IntProperty(
        name="Stop After (Minutes)", description="How long without work until the local server ends",
        default=30, min=1, soft_max=600,
    )  # fmt: skip

    def server(self) -> Server:
        """Raises `ServerUnreachable` where no address is given, `EnvironmentMissing` where no Python is."""
        if self.server_mode == "REMOTE":
            if not self.remote_url:
                raise ServerUnreachable("No server address is set.", "Set it in the add-on's preferences.")
            return RemoteServer(self.remote_url, self.remote_token)
        return LocalServer(self.python(), self.data(), self.idle_minutes, self.weights())

    def python(self) -> Path:
        """The server's Python. Raises `EnvironmentMissing` where there is none yet."""
        if self.environment_mode == "CREATED":
            spec = self.environment()
            if not spec.is_current():
                raise EnvironmentMissing(
                    "The server's Python environment is of another version of Understudy."
                    if spec.python.is_file()
                    else "The server has no Python environment yet.",
                    "Create it, or choose an existing one in the add-on's preferences.",
                )
            return spec.python
        if not self.python_path:
            raise EnvironmentMissing("No Python is chosen for the server.", "Choose one in the add-on's preferences.")
        python = Path(bpy.path.abspath(self.python_path))
        require(python)
        return python

    def environment(self) -> EnvironmentSpec:
        return EnvironmentSpec(user_folder("environments") / "server", TorchBuild(self.torch_build), self.index_url)

    def data(self) -> Path:
        return Path(bpy.path.abspath(self.data_folder)) if self.data_folder else user_folder("server")

    def weights(self) -> Path | None:
        """None: where the server keeps them by itself."""
        return Path(bpy.path.abspath(self.weights_folder)) if self.weights_folder else None

    def takes(self) -> Path:
        """Where the next take goes."""
        if not self.takes_folder or (self.takes_folder.startswith("//") and not bpy.data.filepath):
            return user_folder("takes")
        return Path(bpy.path.abspath(self.takes_folder))

    def takes_before(self) -> list[Path]:
        """Where those of this file may be too: it was not always saved."""
        return [user_folder("takes")] if self.takes_folder.startswith("//") else []

    def draw(self, context: bpy.types.Context) -> None:
        layout = named_beside(self.layout)
        layout.row().prop(self, "server_mode", expand=True)
        if self.server_mode == "REMOTE":
            layout.prop(self, "remote_url")
            layout.prop(self, "remote_token")
        else:
            self._draw_local(layout)
        layout.separator()
        layout.prop(self, "takes_folder")

    def _draw_local(self, layout: bpy.types.UILayout) -> None:
        layout.row().prop(self, "environment_mode", expand=True)
        if self.environment_mode == "EXISTING":
            layout.prop(self, "python_path")
        else:
            layout.prop(self, "torch_build")
            if self.torch_build == TorchBuild.CUSTOM.value:
                layout.prop(self, "index_url")
        self._draw_environment(layout)
        layout.separator()
        layout.prop(self, "idle_minutes")
        layout.prop(self, "data_folder")
        layout.prop(self, "weights_folder")
        layout.operator("understudy.open_log", text="Server Log", icon="TEXT").which = "SERVER"

    def _draw_environment(self, layout: bpy.types.UILayout) -> None:
        """Make it or try it, how far that is, and what came of it."""
        row = layout.row(align=True)
        if environment.busy:
            row.progress(factor=environment.fraction, text=environment.text)
            row.operator("understudy.cancel_environment", text="", icon="X")
        elif self.environment_mode == "EXISTING":
            row.operator("understudy.check_environment", icon="CHECKMARK")
        else:
            row.operator("understudy.create_environment", icon="IMPORT")
            row.operator("understudy.open_log", text="", icon="TEXT").which = "ENVIRONMENT"
            draw_online_leave(layout)
        if environment.error:
            draw_lines(layout, environment.error, "ERROR")
        elif environment.description:
            layout.label(text=environment.description, icon="CHECKMARK")


def draw_online_leave(layout: bpy.types.UILayout) -> None:
    """Why no environment can be made, with the button that changes it, where Blender may not go online."""
    if not bpy.app.online_access:
        box = draw_lines(layout, "It is downloaded, for which Blender needs your leave to go online.", "INFO")
        box.separator()
        box.operator("extensions.userpref_allow_online", text="Allow Online Access", icon="INTERNET")


def preferences() -> UnderstudyPreferences:
    return bpy.context.preferences.addons[ROOT].preferences  # type: ignore[return-value]


def user_folder(name: str) -> Path:
    """A folder of the user's own, which is kept when the extension is updated."""
    return Path(bpy.utils.extension_path_user(ROOT, path=name, create=True))


def register() -> None:
    bpy.utils.register_class(UnderstudyPreferences)


def unregister() -> None:
    bpy.utils.unregister_class(UnderstudyPreferences)
