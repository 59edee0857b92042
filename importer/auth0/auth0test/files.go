package auth0test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ParseUsers reads users from a file: JSON objects one after the other, with the
// fields of Auth0's users exports, or a CSV with columns of the same names. The
// connection is that of the first identity, or in a column connection; a field
// of the metadata is in a column such as app_metadata.employee.
func ParseUsers(r io.Reader) ([]User, error) {
	var users []User
	err := readObjects(r, func(object map[string]any) error {
		u := User{Unverified: !boolean(object, "email_verified", true)}
		texts(object, map[string]*string{
			"user_id": &u.ID, "email": &u.Email, "name": &u.Name, "username": &u.Username,
			"phone_number": &u.Phone, "nickname": &u.Nickname, "connection": &u.Connection,
		})
		if identities, ok := object["identities"].([]any); ok && len(identities) > 0 && u.Connection == "" {
			if first, ok := identities[0].(map[string]any); ok {
				u.Connection, _ = first["connection"].(string)
			}
		}
		u.AppMetadata = below(object, "app_metadata")
		u.UserMetadata = below(object, "user_metadata")
		if u.ID == "" {
			return errors.New("a user has no user_id")
		}
		users = append(users, u)
		return nil
	})
	return users, err
}

// ParseOrganizations reads organizations from a file: JSON objects one after the
// other, with id, name, display_name and metadata as in the API, or a CSV with
// columns of the same names, such as metadata.crm.
func ParseOrganizations(r io.Reader) ([]Organization, error) {
	var orgs []Organization
	err := readObjects(r, func(object map[string]any) error {
		var o Organization
		texts(object, map[string]*string{"id": &o.ID, "name": &o.Name, "display_name": &o.DisplayName})
		for name, v := range below(object, "metadata") {
			if o.Metadata == nil {
				o.Metadata = make(map[string]string)
			}
			o.Metadata[name] = fmt.Sprint(v)
		}
		if o.ID == "" {
			return errors.New("an organization has no id")
		}
		orgs = append(orgs, o)
		return nil
	})
	return orgs, err
}

func texts(object map[string]any, into map[string]*string) {
	for name, text := range into {
		*text, _ = object[name].(string)
	}
}

// boolean returns a boolean, which in a CSV is a word, in capitals after Excel.
func boolean(object map[string]any, name string, absent bool) bool {
	switch v := object[name].(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true") || v == "" && absent
	}
	return absent
}

// below returns the object of that name in another, or what the other has under
// names such as metadata.crm.
func below(object map[string]any, name string) map[string]any {
	if inner, ok := object[name].(map[string]any); ok {
		return inner
	}
	var inner map[string]any
	for key, v := range object {
		if rest, ok := strings.CutPrefix(key, name+"."); ok && v != "" {
			if inner == nil {
				inner = make(map[string]any)
			}
			inner[rest] = v
		}
	}
	return inner
}

// readObjects calls each with every object of a file.
func readObjects(r io.Reader, each func(map[string]any) error) error {
	in := bufio.NewReader(r)
	first, err := in.Peek(1)
	if err != nil {
		return errors.New("the file is empty")
	}
	next := csvObjects(in)
	if first[0] == '{' {
		objects := json.NewDecoder(in)
		next = func() (object map[string]any, err error) { return object, objects.Decode(&object) }
	}
	for n := 1; ; n++ {
		object, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(object)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
}

// csvObjects returns a function that returns the next record of a CSV as an
// object.
func csvObjects(in io.Reader) func() (map[string]any, error) {
	records := csv.NewReader(in)
	var header []string
	return func() (map[string]any, error) {
		if header == nil {
			var err error
			if header, err = records.Read(); err != nil {
				return nil, err
			}
		}
		record, err := records.Read()
		if err != nil {
			return nil, err
		}
		object := make(map[string]any, len(header))
		for i, name := range header {
			object[strings.TrimSpace(name)] = record[i]
		}
		return object, nil
	}
}
