"""For tests, ours and those of plug-ins: contract suites, real servers, a clock that is stepped. Needs pytest."""
