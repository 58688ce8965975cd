import json

import pytest
from understudy.blender_addon.messages import EngineInfo
from understudy.core.engines import catalog
from understudy.core.errors import NotEnoughMemory


@pytest.mark.parametrize("name", catalog.CATALOG)
@pytest.mark.parametrize("preset", ["exact", "fast"])
def test_the_panel_tells_the_memory_that_the_server_asks_for(name, preset):
    spec = catalog.find(name)
    settings, frames = spec.settings(preset), 10  # which some engines lengthen to their windows
    told = EngineInfo.from_json(json.loads(json.dumps(spec.to_json())) | {"lacking": []}).memory_bytes(settings, frames)
    spec.require_memory(settings, frames, free=told)
    with pytest.raises(NotEnoughMemory):
        spec.require_memory(settings, frames, free=told - 1)
