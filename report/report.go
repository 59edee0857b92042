// Package report holds everything that a run leaves behind for people, for
// scripts and for the next run.
//
//	results := report.NewWriter(file, op.Args, table.Kept)
//	for answered, err := range outcomes {
//		results.Write(answered) // in the file before its rows count as done
//		summary.Add(answered)
//	}
//
// The results file is report, audit and checkpoint in one: [Resume] reads what
// an earlier run left in it. [Summary] adds up a run, and [EventWriter] writes
// its event log.
//
// One line of a results file is one row of the input. That holds for its
// physical lines, so that a line which was torn by a power cut costs itself
// and nothing else.
package report
