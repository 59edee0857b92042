package auth0test

func (t *Tenant) memberRoles(_, _ string) []map[string]any { return []map[string]any{} }
