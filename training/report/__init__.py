"""The training report: one HTML file with every figure of the results, for a browser that is offline.

    python -m training report --output report.html
    write_report(Path("report.html"))

Reads what `training.results` derives and knows nothing of torch. The page fetches nothing; it follows the reader's
light or dark theme, and draws a recipe's figures when its section is opened.
"""

from training.report.page import write_report

__all__ = ["write_report"]
