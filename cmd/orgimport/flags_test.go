package main

import (
	"reflect"
	"testing"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// TestNoFlagIsForgotten: each flag that says what to read or to look up changes what
// a job is given.
func TestNoFlagIsForgotten(t *testing.T) {
	o := operation{op: func(*auth0.Client) importer.Op { return importer.Op{} }}
	c := &console{}
	usual := o.config(c, &sourceFlags{}, &auth0.Client{}, "", nil)
	var f sourceFlags
	for _, group := range []reflect.Value{reflect.ValueOf(&f.dialectFlags).Elem(), reflect.ValueOf(&f.lookupFlags).Elem()} {
		for i := range group.NumField() {
			flag := group.Field(i)
			switch flag.Interface().(type) {
			case string:
				flag.SetString("|")
			case bool:
				flag.SetBool(true)
			case int:
				flag.SetInt(7)
			case time.Duration:
				flag.SetInt(int64(time.Hour))
			default:
				t.Fatalf("a flag has the type %s", flag.Type())
			}
			if reflect.DeepEqual(o.config(c, &f, &auth0.Client{}, "", nil), usual) {
				t.Errorf("%s changes nothing", group.Type().Field(i).Name)
			}
			flag.SetZero()
		}
	}
}
