from detector.audio.gaps import KEPT_GAPS, GapLedger
from detector.events import Gap, GapCause


def test_a_ledger_keeps_the_latest_gaps_and_the_totals_of_all():
    ledger = GapLedger()
    assert ledger.describe() == "0 gaps, 0.00 s lost"
    ledger.add(Gap(5, GapCause.SKIP, 0.5))
    assert ledger.describe() == "1 gap (1 skip), 0.50 s lost"
    for k in range(KEPT_GAPS + 10):
        ledger.add(Gap(100 + k, GapCause.OVERFLOW))
    ledger.add(Gap(10_000, GapCause.DRIFT, -1.0))  # too many samples are no loss
    assert ledger.n_gaps == KEPT_GAPS + 12
    assert len(ledger.latest) == KEPT_GAPS
    assert ledger.latest[-1] == Gap(10_000, GapCause.DRIFT, -1.0)
    assert ledger.describe() == f"{KEPT_GAPS + 12} gaps ({KEPT_GAPS + 10} overflow, 1 skip, 1 drift), 0.50 s lost"
