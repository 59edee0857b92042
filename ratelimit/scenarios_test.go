package ratelimit_test

import (
	"time"

	"orgimport/importer/auth0/auth0test"
)

// scenario is a row of the benchmark: a job in a world, and what is demanded of
// it on the worst seed.
type scenario struct {
	row, name string
	n         int // batches of the job; of each job if there are more
	jobs      int // that run at once, each with a Transport of its own; 0: one
	workers   int // of each; 0: 16
	reserve   string
	world

	ratio    float64 // the optimum's time is at least this share of ours
	refused  float64 // share of our requests that is refused at most
	refusals int     // or so many
	others   float64 // share of the rival's requests that is refused at most
	least    float64 // share of the limit that every request leaves

	reason string // why less is demanded than of other rows
}

const sec, minute = time.Second, time.Minute

func drip(size, per int, interval time.Duration) auth0test.Limit {
	return auth0test.Limit{Size: size, Per: per, Interval: interval}
}

func window(size, per int, interval time.Duration) auth0test.Limit {
	return auth0test.Limit{Size: size, Per: per, Interval: interval, Mode: auth0test.FixedWindow}
}

func with(l auth0test.Limit, change func(*auth0test.Limit)) auth0test.Limit {
	change(&l)
	return l
}

func step(l *auth0test.Limit)    { l.Mode = auth0test.Step }
func next(l *auth0test.Limit)    { l.Reset = auth0test.ResetNext }
func empty(l *auth0test.Limit)   { l.StartEmpty = true }
func charged(l *auth0test.Limit) { l.Charged = true }

// one is a server with a single limiter.
func one(limits ...auth0test.Limit) world {
	return world{limits: [][]auth0test.Limit{limits}, trip: between(100*time.Millisecond, 450*time.Millisecond)}
}

func (w world) but(change func(*world)) world {
	change(&w)
	return w
}

func beside(r rival) func(*world) { return func(w *world) { w.rival = r } }

// scenarios are the rows of the benchmark. "20 of 200/min" means: 20 when full,
// 200 a minute come back. The reserve is 20 % unless the row says otherwise, a
// round trip takes 100 to 450 ms.
func scenarios() []scenario {
	endpoint, global := drip(20, 200, minute), drip(50, 16, sec)
	stack := world{limits: [][]auth0test.Limit{{global}, {endpoint}}, shown: 1, trip: between(100*time.Millisecond, 450*time.Millisecond)}
	hidden := stack.but(func(w *world) { w.shown = 0 })
	blind := one(endpoint).but(func(w *world) { w.silent = true })
	perMinute := one(window(200, 200, minute))
	skewed := func(d time.Duration) func(*world) { return func(w *world) { w.skew = d } }
	const none = ""
	// Everybody waits a second after each refusal, so telling them apart takes a while.
	const apart = "refusals of a limit that is not shown look the same"
	const saturated = "what can be in flight is bounded by the bucket"
	// One request goes first, and what it finds is spread over a second at least.
	const late = "a job that begins in the last two seconds of a window can't use it up"
	const tried = "until it is known that the headers are wrong, requests leave as if they were not"
	all := []scenario{
		{row: "B1", name: "20 of 200/min", n: 1000, world: one(endpoint), ratio: 0.99, least: 0.38},
		{row: "B2", name: "50 of 16/s", n: 5000, world: one(global), ratio: 0.99, least: 0.38},
		{row: "B3", name: "50 of 50/s", n: 15000, world: one(drip(50, 50, sec)), ratio: 0.99, least: 0.18},
		{row: "B4", name: "10 of 2/s", n: 600, world: one(drip(10, 2, sec)), ratio: 0.99, least: 0.38},
		{row: "B5", name: "2 of 2/s", n: 600, world: one(drip(2, 2, sec)), ratio: 0.92},
		{row: "B6", name: "20 of 200/min in whole seconds", n: 1000, world: one(with(endpoint, step)), ratio: 0.99, least: 0.22},
		{row: "B6", name: "50 of 16/s in whole seconds", n: 5000, world: one(with(global, step)), ratio: 0.99, least: 0.22},
		{row: "B7", name: "window of a minute, 200", n: 6000, world: perMinute, ratio: 0.985, least: 0.12},
		{row: "B8", name: "window of a minute, 20", n: 800, world: one(window(20, 200, minute)), ratio: 0.975, refused: 0.005, least: 0.05, reason: late},
		{row: "B9", name: "window of a second, 2", n: 500, world: one(window(2, 2, sec)), ratio: 0.98, refused: 0.01},
		{row: "B10", name: "both limits, the smaller shown", n: 1000, world: stack, ratio: 0.99, least: 0.38},
		{row: "B10", name: "the same, 4.8/s others on the other", n: 1000, world: stack.but(beside(steady(4.8))), ratio: 0.99, others: 0.001, least: 0.38},
		{row: "B11", name: "both limits, the larger shown", n: 1500, world: hidden, ratio: 0.985, refused: 0.01},
		{row: "B11", name: "the same, ten times as long", n: 15000, world: hidden, ratio: 0.995, refused: 0.0035},
		{row: "B12", name: "no headers", n: 1500, reserve: "0", world: blind, ratio: 0.985, refusals: 10},
		{row: "B12", name: "headers that always say that nothing is left", n: 1500, world: one(global).but(func(w *world) { w.always = "0" }), ratio: 0.5, refused: 0.01, reason: tried},
		{row: "B12", name: "that 3 are", n: 1500, world: one(endpoint).but(func(w *world) { w.always = "3" }), ratio: 0.8, refused: 0.01, reason: tried},
		{row: "B12", name: "that 20 of 50 are", n: 1500, world: one(global).but(func(w *world) { w.always = "20" }), ratio: 0.65, refused: 0.01, reason: tried},
		{row: "B13", name: "headers up to 5 requests old", n: 5000, world: one(global).but(func(w *world) { w.stale = 5 }), ratio: 0.985, least: 0.35},
		{row: "B13", name: "reset: next, 20 of 200/min", n: 1000, world: one(with(endpoint, next)), ratio: 0.985, least: 0.35},
		{row: "B13", name: "reset: next, 50 of 16/s", n: 5000, world: one(with(global, next)), ratio: 0.985, least: 0.35},
		{row: "B14", name: "20 of 200/min, clock 3 s ahead", n: 1000, world: one(endpoint).but(skewed(3 * sec)), ratio: 0.99, least: 0.38},
		{row: "B14", name: "20 of 200/min, clock 3 s behind", n: 1000, world: one(endpoint).but(skewed(-3 * sec)), ratio: 0.99, least: 0.38},
		{row: "B14", name: "window of 200, clock 3 s ahead", n: 6000, world: perMinute.but(skewed(3 * sec)), ratio: 0.97, least: 0.12, reason: late},
		{row: "B14", name: "window of 200, clock 3 s behind", n: 6000, world: perMinute.but(skewed(-3 * sec)), ratio: 0.97, least: 0.12, reason: late},
		{row: "B15", name: "20 of 200/min, others 1/s", n: 1000, world: one(endpoint).but(beside(steady(1))), ratio: 0.985, others: 0.005, least: 0.05},
		{row: "B15", name: "50 of 16/s, others 4.8/s", n: 5000, world: one(global).but(beside(steady(4.8))), ratio: 0.985, others: 0.005, least: 0.05},
		{row: "B16", name: "20 of 200/min, others 2.7/s on and off", n: 1000, world: one(endpoint).but(beside(onOff(8. / 3))), ratio: 0.98, refused: 0.003, others: 0.06},
		{row: "B17", name: "50 of 16/s, others 12.8/s on and off", n: 5000, world: one(global).but(beside(onOff(12.8))), ratio: 0.98, refused: 0.001, others: 0.015},
		{row: "B17", name: "50 of 16/s, others rise to 11.2/s", n: 5000, world: one(global).but(beside(ramp(11.2))), ratio: 0.98, refused: 0.001, others: 0.015},
		{row: "B17", name: "the first, refusals charged", n: 5000, world: one(with(global, charged)).but(beside(onOff(12.8))), ratio: 0.98, refused: 0.001, others: 0.015},
		{row: "B18", name: "50 of 16/s, spikes of 7", n: 5000, world: one(global).but(beside(spikes(7))), ratio: 0.99, least: 0.2},
		{row: "B18", name: "20 of 200/min, spikes of 3", n: 1000, world: one(endpoint).but(beside(spikes(3))), ratio: 0.99, least: 0.2},
		{row: "B19", name: "window of 200, others 1/s", n: 1000, world: perMinute.but(beside(steady(1))), ratio: 0.8, refused: 0.002, others: 0.17},
		{row: "B20", name: "50 of 16/s, a heavy tail", n: 5000, world: one(global).but(func(w *world) { w.trip = heavyTail() }), ratio: 0.97, least: 0.3},
		{row: "B20", name: "20 of 200/min, 0.4 to 1.2 s", n: 1000, world: one(endpoint).but(func(w *world) { w.trip = between(400*time.Millisecond, 1200*time.Millisecond) }), ratio: 0.985, least: 0.3},
		{row: "B20", name: "50 of 16/s, 2 % are 503", n: 5000, world: one(global).but(func(w *world) { w.broken = 0.02 }), ratio: 0.985, least: 0.3},
		{row: "B21", name: "50 of 16/s, all 503 for 20 s", n: 5000, world: one(global).but(func(w *world) { w.outage = 100 * sec }), ratio: 0.92, least: 0.3},
		{row: "B22", name: "16/s becomes 4/s becomes 16/s", n: 3500, world: one(global).but(func(w *world) {
			w.changes = []change{{60 * sec, []auth0test.Limit{drip(50, 4, sec)}}, {180 * sec, []auth0test.Limit{global}}}
		}), ratio: 0.99},
		{row: "B22", name: "50 of 16/s becomes 20 of 200/min", n: 2000, world: one(global).but(func(w *world) {
			w.changes = []change{{60 * sec, []auth0test.Limit{endpoint}}}
		}), ratio: 0.975, refused: 0.003},
		{row: "B22", name: "20 of 200/min becomes 50 of 16/s", n: 4000, world: one(endpoint).but(func(w *world) {
			w.changes = []change{{60 * sec, []auth0test.Limit{global}}}
		}), ratio: 0.99},
		{row: "B22", name: "50 of 16/s, empty at first", n: 5000, world: one(with(global, empty)), ratio: 0.985, refusals: 1},
		{row: "B22", name: "20 of 200/min, empty at first", n: 1000, world: one(with(endpoint, empty)), ratio: 0.985, refusals: 1},
		{row: "B23", name: "50 of 16/s, 1 worker", n: 5000, workers: 1, world: one(global), ratio: 0.22, least: 0.38},
		{row: "B23", name: "50 of 16/s, 4 workers", n: 5000, workers: 4, world: one(global), ratio: 0.87, least: 0.38},
		{row: "B23", name: "50 of 16/s, 64 workers", n: 5000, workers: 64, world: one(global), ratio: 0.99, least: 0.38},
		{row: "B23", name: "50 of 16/s, 128 workers", n: 5000, workers: 128, world: one(global), ratio: 0.99, least: 0.38},
		{row: "B24", name: "two jobs on 20 of 200/min", n: 500, jobs: 2, world: one(endpoint), ratio: 0.98, least: 0.15},
		{row: "B24", name: "two jobs on 50 of 16/s", n: 2400, jobs: 2, world: one(global), ratio: 0.98, least: 0.15},
		{row: "B24", name: "three jobs on 20 of 200/min", n: 400, jobs: 3, reserve: "10%", world: one(endpoint), ratio: 0.98},
	}
	small := between(100*time.Millisecond, 250*time.Millisecond)
	all = append(all, []scenario{
		// Refusals that speak of no limit, such as those of a gateway.
		{row: "N1", name: "50 of 16/s, 5 % are refused for nothing", n: 20000, world: one(global).but(func(w *world) { w.noise = 0.05 }), ratio: 0.3, refused: 0.06, reason: apart},
		{row: "N2", name: "50 of 16/s, all are refused for 2 s of 20", n: 20000, world: one(global).but(func(w *world) { w.storm = 2 * sec }), ratio: 0.35, refused: 0.04, reason: apart},
		{row: "N3", name: "20 of 200/min, 5 % are refused for nothing", n: 3000, world: one(endpoint).but(func(w *world) { w.noise = 0.05 }), ratio: 0.35, refused: 0.07, reason: apart},

		// Buckets that fill in about the time of a round trip.
		{row: "S1", name: "5 of 5/s", n: 400, reserve: "10%", world: one(drip(5, 5, sec)), ratio: 0.94, least: 0.15},
		{row: "S2", name: "10 of 10/s", n: 600, reserve: "10%", world: one(drip(10, 10, sec)), ratio: 0.94, least: 0.08},
		{row: "S3", name: "10 of 20/s", n: 1000, reserve: "10%", world: one(drip(10, 20, sec)), ratio: 0.85, least: 0.08, reason: saturated},

		{row: "P1", name: "20 of 20/s and 200 of 200/min", n: 330, reserve: "0", world: one(drip(20, 20, sec), drip(200, 200, minute)), ratio: 1 / 1.05, refusals: 2},
		{row: "P2", name: "the same in windows", n: 330, reserve: "0", world: one(window(20, 20, sec), window(200, 200, minute)), ratio: 0.2, refusals: 2, reason: "in windows of a second answers are too old to use all, and here that may cost a minute"},
		{row: "P3", name: "50 of 16/s, others 4/s", n: 5000, reserve: "10%", world: one(global).but(beside(steady(4))), ratio: 0.98},
		{row: "P4", name: "20 of 200/min", n: 300, reserve: "0", world: one(endpoint), ratio: 0.97, refusals: 2},
		{row: "P4", name: "50 of 16/s", n: 5000, reserve: "0", world: one(global), ratio: 0.99, refusals: 2},
		{row: "P4", name: "20 of 20/s", n: 2000, reserve: "0", world: one(drip(20, 20, sec)), ratio: 0.98, refusals: 2},
		{row: "P5", name: "window of a second, 20", n: 2000, reserve: "0", world: one(window(20, 20, sec)), ratio: 0.7, refused: 0.01, reason: "in windows of a second answers are too old to use all"},
		{row: "P7", name: "both limits, half of them kept", n: 1000, reserve: "50%", world: one(drip(20, 20, sec), drip(200, 200, minute)), ratio: 0.95},
		{row: "P6", name: "both limits", n: 1000, reserve: "10%", world: one(drip(20, 20, sec), drip(200, 200, minute)), ratio: 0.98},
		{row: "P6", name: "two jobs on both limits", n: 1000, jobs: 2, reserve: "10%", world: one(drip(20, 20, sec), drip(200, 200, minute)), ratio: 0.97},
	}...)
	for i := range all {
		if all[i].reserve == none {
			all[i].reserve = "20%"
		}
		if all[i].workers == 0 {
			all[i].workers = 16
		}
		all[i].jobs = max(1, all[i].jobs)
		if all[i].row[0] == 'P' {
			all[i].trip = small
		}
	}
	return all
}
