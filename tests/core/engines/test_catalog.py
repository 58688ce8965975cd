import dataclasses
import json
import subprocess
import sys

import pytest
from understudy.core.engines import catalog
from understudy.core.errors import InvalidRequest, UnknownEngine
from understudy.core.protocol import GenerationSettings

SPEC = catalog.find("understudy")


def test_an_unknown_engine_is_named():
    with pytest.raises(UnknownEngine, match="no engine called 'nonesuch'"):
        catalog.find("nonesuch")


def test_a_spec_survives_json():
    assert json.loads(json.dumps(SPEC.to_json())) == SPEC.to_json()


@pytest.mark.parametrize(
    ("change", "people", "message"),
    [
        ({"width": 2048, "height": 2048}, 1, "more than engine understudy can draw"),
        ({}, 2, "2 people; engine understudy draws 1"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_with_a_remedy(change, people, message):
    with pytest.raises(InvalidRequest, match=message):
        SPEC.check(dataclasses.replace(GenerationSettings(), **change), people)


def test_the_defaults_pass_their_own_check():
    for spec in catalog.CATALOG.values():
        spec.check(spec.defaults, people=1)


def test_the_catalog_does_not_import_torch():
    code = "import sys, understudy.core.engines.catalog, understudy.core.engines.interface; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
