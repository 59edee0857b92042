package diff_test

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"testing"

	"orgimport/cmd/orgimport/internal/diff"
	"orgimport/importer"
	"orgimport/importer/auth0"
)

// BenchmarkMillion compares a million members of 1,000 organizations with rows that
// name them by id. The metric heap-MB is the peak of the heap.
func BenchmarkMillion(b *testing.B) {
	const orgs, each = 1000, 1000
	for _, test := range []struct {
		name        string
		rows, moved int
	}{
		{"the same", each, 0}, {"1 % join and leave", each, each / 100}, {"nearly all leave", 1, 0}, {"nearly all join and leave", each, each - 1},
	} {
		b.Run(test.name, func(b *testing.B) {
			debug.SetGCPercent(10)
			id := func(org, user int) (string, string) {
				return fmt.Sprintf("org_%016d", org), fmt.Sprintf("auth0|%024x", org*each+user)
			}
			rows := func(yield func(importer.Row, error) bool) {
				for i := range orgs * test.rows {
					row := importer.Row{Line: i + 2}
					row.OrgID, row.UserID = id(i/test.rows, i%test.rows+test.moved)
					if !yield(row, nil) {
						return
					}
				}
			}
			lists := func(ids []string) iter.Seq2[auth0.MemberPage, error] {
				return func(yield func(auth0.MemberPage, error) bool) {
					for i, org := range ids {
						list := auth0.MemberPage{OrgID: org, Members: make([]auth0.Member, each)}
						for j := range list.Members {
							_, user := id(i, j)
							list.Members[j] = auth0.Member{UserID: user, Email: fmt.Sprintf("user%d@acme-%d.com", j, i), Name: fmt.Sprint("Given Family ", j)}
						}
						if !yield(list, nil) {
							return
						}
					}
				}
			}
			for b.Loop() {
				c := &diff.Comparison{
					Rows:    func() iter.Seq2[importer.Row, error] { return rows },
					Lists:   lists,
					OrgName: func(string) string { return "" },
					Unusual: func(string) bool { return false },
				}
				r, err := c.Run()
				if err != nil || r.Members != orgs*each {
					b.Fatal(err)
				}
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				b.ReportMetric(float64(mem.HeapSys)/1e6, "heap-MB")
			}
		})
	}
}
