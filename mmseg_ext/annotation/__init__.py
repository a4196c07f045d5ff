"""Points clicked in the browser, with a model that is fitted to them as they come."""
