from tests.integration.engine.harness import Engine
from tests.report import assert_reconciles
import time

def test_first(engine: Engine) -> None:
    r = engine.take("categories.csv", "external_id,label,x,y\nA,Alpha,1,2\nB,,1,2\n")
    assert_reconciles(r)
    assert engine.leftovers() == []
