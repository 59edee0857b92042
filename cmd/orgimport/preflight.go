package main

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// need makes sure, before anything is asked, that a token can be got, and that
// it has a scope of each group as far as it tells its scopes.
func (c *connection) need(ctx context.Context, groups ...[]string) error {
	_, err := c.tokens.Token(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	scopes, known := c.tokens.Scopes()
	if !known {
		return nil
	}
	var lacking []string
	for _, group := range groups {
		if !slices.ContainsFunc(group, func(scope string) bool { return slices.Contains(scopes, scope) }) {
			lacking = append(lacking, group[0])
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return &exitError{exitStopped, errors.New("the token lacks the scope " + strings.Join(lacking, " and ")), "grant the application that scope for the Auth0 Management API"}
}
