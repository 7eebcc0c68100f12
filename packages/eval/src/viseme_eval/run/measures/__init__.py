"""The measures of a run, a theme per file; `registry` lists them."""
