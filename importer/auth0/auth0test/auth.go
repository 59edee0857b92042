package auth0test

import (
	"net/http"
	"slices"
	"strings"
)

// authorize checks the token of a request to the Management API, with the
// texts that the API's token layer is known to use. A request that stops here
// draws on no limit; whether that is so is not known. Paths that are not
// served need no token.
func (t *Tenant) authorize(c *call) (reply, bool) {
	if !c.class.limited() || c.class == Other || t.cfg.NoAuth {
		c.granted = allScopes()
		return reply{}, false
	}
	header := c.Header.Get("Authorization")
	if header == "" {
		rep := refuse(http.StatusUnauthorized, "", "Missing authentication")
		rep.header.Set("WWW-Authenticate", "Bearer")
		return rep, true
	}
	scheme, token, _ := strings.Cut(header, " ")
	claims, genuine, err := t.keys.parse(token)
	if err != nil || !strings.EqualFold(scheme, "Bearer") {
		return refuse(http.StatusBadRequest, "Bearer", "Bad HTTP authentication header format"), true
	}
	switch {
	case !genuine:
		return badToken("Invalid signature received for JSON Web Token validation"), true
	case t.now().Unix() >= claims.Expires:
		return badToken("Expired token received for JSON Web Token validation"), true
	case t.cfg.PairDomains && claims.Issuer != issuer(c.Host):
		return badToken("Invalid token"), true
	case !t.isAudience(claims.Audience, c.Host):
		return badToken("Bad audience: " + claims.Audience), true
	}
	c.granted = strings.Fields(claims.Scope)
	return reply{}, false
}

// allowed says whether the token has any of the scopes that the endpoint asks
// for.
func (c *call) allowed() bool {
	return len(c.scopes) == 0 || slices.ContainsFunc(c.scopes, c.has)
}

func (c *call) has(scope string) bool { return slices.Contains(c.granted, scope) }

func insufficientScope(anyOf ...string) reply {
	return refuse(http.StatusForbidden, "insufficient_scope",
		"Insufficient scope, expected any of: "+strings.Join(anyOf, ","))
}
