package page

// timeline counts events over time in a fixed number of bins, whatever their times
// and in whatever order they come: when one falls outside, the bins become twice as
// wide. The zero value is ready for use.
type timeline struct {
	start int64 // second at which the first bin begins; a multiple of width
	width int64 // seconds of a bin; 0: nothing was counted
	bins  [timelineBins]int
	first int64 // earliest second counted
	last  int64 // latest
}

// timelineBins is about one bin for each two pixels of a chart.
const timelineBins = 512

// add counts one event at the given second.
func (t *timeline) add(second int64) {
	if t.width == 0 {
		t.width, t.start, t.first, t.last = 1, second, second, second
	}
	t.first, t.last = min(t.first, second), max(t.last, second)
	for second < t.start || second >= t.start+t.width*timelineBins {
		t.widen(second < t.start)
	}
	t.bins[(second-t.start)/t.width]++
}

// widen makes each bin twice as wide. The new time is before the old if earlier is
// set, and after it otherwise.
func (t *timeline) widen(earlier bool) {
	old := t.bins
	shift := 0
	if earlier {
		t.start -= t.width * timelineBins
		shift = timelineBins / 2
	}
	t.width *= 2
	t.bins = [timelineBins]int{}
	for i, n := range old {
		t.bins[shift+i/2] += n
	}
}

// sums returns the second at which each bin from the first to the last event ends,
// and how many events there were until then.
func (t *timeline) sums() (seconds []int64, sums []int) {
	if t.width == 0 {
		return nil, nil
	}
	total := 0
	for i := (t.first - t.start) / t.width; i <= (t.last-t.start)/t.width; i++ {
		total += t.bins[i]
		seconds = append(seconds, min(t.start+(i+1)*t.width, t.last))
		sums = append(sums, total)
	}
	return seconds, sums
}

// total returns how many events there were.
func (t *timeline) total() (n int) {
	for _, bin := range t.bins {
		n += bin
	}
	return n
}
