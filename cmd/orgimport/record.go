package main

import (
	"cmp"

	"orgimport/importer"
)

// record writes the outcomes of some rows, and only then counts them. A failed
// guard stops the run, but later outcomes are still recorded: answers to requests
// in flight still arrive.
//
// Nothing is written before the first answer to a request, so that a run that can
// send none leaves all files unchanged. Until then, rows that need no request are
// held.
func (j *job) record(answered []importer.Outcome) {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.broken != nil {
		return
	}
	if !j.out.begun {
		j.held = append(j.held, answered...)
		if len(j.held) < maxHeld && !sentAny(answered) {
			return
		}
		answered = j.release()
	}
	j.write(answered)
}

// note writes a line, which is on the disk when it returns. It is for an operation
// that must not forget what it is about to do. It may be called concurrently.
func (j *job) note(o importer.Outcome) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if !j.out.begun {
		j.write(j.release())
	}
	switch {
	case j.broken != nil:
	case o.Status != importer.Sending: // a final outcome counts, and need not be synced
		j.write([]importer.Outcome{o})
	default:
		if j.broken = j.out.note(o); j.broken != nil {
			j.stop(j.broken)
		}
	}
	return j.broken
}

// maxHeld is the most rows that are held, at some 300 bytes each.
const maxHeld = 20_000

func sentAny(outcomes []importer.Outcome) bool {
	for i := range outcomes {
		if outcomes[i].Attempts > 0 {
			return true
		}
	}
	return false
}

// release opens the files for writing, and returns the held rows.
func (j *job) release() []importer.Outcome {
	held := j.held
	j.held = nil
	if j.broken = j.out.begin(); j.broken != nil {
		j.stop(j.broken)
	}
	return held
}

func (j *job) write(answered []importer.Outcome) {
	if j.broken != nil {
		return
	}
	if j.broken = j.out.writer.Write(answered); j.broken != nil {
		j.stop(j.broken)
		return
	}
	j.summary.Add(answered)
	for i := range answered {
		o := &answered[i]
		switch {
		case o.Attempts > 0 && o.Status.Settled():
			j.members.Add(1)
		case o.Status.Failure():
			j.failed.Add(1)
		}
		if o.Transient {
			j.unanswered++
		}
	}
	j.done.Add(int64(len(answered)))
	if err := cmp.Or(j.guard.add(answered), j.out.log.EnsureRoom(j.pace.State().Places)); err != nil {
		j.stop(err)
	}
}
