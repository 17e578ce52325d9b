"""Link the embedded graphs, built if need be, as int8.pb, fp32.pb and bf16.pb in a folder: `… FOLDER`."""

import sys
from pathlib import Path

from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.precision import Precision

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for precision in Precision:
        (folder / f"{precision}.pb").symlink_to(embedded_graph_file(precision, print))
