import json

import pytest
from understudy.blender_addon.messages import EngineInfo
from understudy.core.engines import catalog
from understudy.core.errors import NotEnoughMemory, ServerStartFailed


@pytest.mark.parametrize("name", catalog.CATALOG)
@pytest.mark.parametrize("preset", ["exact", "fast"])
def test_the_panel_tells_the_memory_that_the_server_asks_for(name, preset):
    spec = catalog.find(name)
    settings, frames = spec.settings(preset), 10  # which some engines lengthen to their windows
    told = EngineInfo.from_json(json.loads(json.dumps(spec.to_json())) | {"lacking": []}).memory_bytes(settings, frames)
    spec.require_memory(settings, frames, free=told)
    with pytest.raises(NotEnoughMemory):
        spec.require_memory(settings, frames, free=told - 1)


@pytest.mark.parametrize(
    "change", [{"presets": None}, {"memory": {"bytes": 3}}, {"fixed": 3}, {"presets": {"exact": {"sharpness": 2}}}]
)
def test_engines_of_a_server_of_another_version_are_refused_with_what_to_do(change):
    known = catalog.find("understudy").to_json() | {"lacking": []}
    for told in (known | change, {name: value for name, value in known.items() if name not in change}):
        with pytest.raises(ServerStartFailed, match=r"another way.*Stop the server and start it again"):
            EngineInfo.from_json(told)
