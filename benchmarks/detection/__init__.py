"""How often a healthy canary is rolled back, and how soon a bad one: our rule beside others."""
