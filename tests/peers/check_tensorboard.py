"""Reads the event file of a run by TensorBoard's own reader, and compares it with metrics.jsonl.

    lowland-roberta finetune ... --tensorboard --out RUN
    python3 tests/peers/check_tensorboard.py RUN        (needs tensorboard)
"""
import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    run = pathlib.Path(sys.argv[1])
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    wanted = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        line = json.loads(line)
        for name, value in line.items():
            if name != "step" and isinstance(value, (int, float)):
                wanted.setdefault(name, []).append((line["step"], value))
    for name, points in wanted.items():
        found = [(e.step, e.value) for e in events.Scalars(name)]
        assert len(found) == len(points), (name, len(found), len(points))
        for (step, value), (its_step, its_value) in zip(points, found):
            assert step == its_step and abs(value - its_value) <= 1e-6 * abs(value) + 1e-30, (name, step, value, its_value)
    print(f"{len(wanted)} tags, {sum(map(len, wanted.values()))} points: as metrics.jsonl has them")


if __name__ == "__main__":
    main()
