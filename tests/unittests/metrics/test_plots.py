"""Plots of an evaluation show every row, however many there are."""

from types import SimpleNamespace

from recipes.common.evaluation import plots


def test_every_row_is_drawn(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(
        plots, "_save", lambda picture, _: drawn.append(picture)
    )
    budgets = {f"budgets {i}": {"keep": {"clip": 3}} for i in range(6)}
    audio = {f"audio {i}": {} for i in range(5)}
    rows = {
        label: SimpleNamespace(options=options)
        for label, options in {**budgets, **audio}.items()
    }
    tokens = SimpleNamespace(tokens=14.0)
    rates = {label: tokens if label in budgets else None for label in rows}
    summary = {(label, "STOI"): (0.5, 0.4, 0.6) for label in rows}
    figure = SimpleNamespace(label="STOI")
    plots.plot_rates(tmp_path / "rates.png", rows, rates, summary, [figure])
    legend = drawn[0].axes[0].get_legend()
    assert {text.get_text() for text in legend.get_texts()} == set(rows)
