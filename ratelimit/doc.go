// Package ratelimit paces requests to a server that limits them and says so in
// X-RateLimit headers, so that a job uses all of its share and nobody else
// notices.
//
//	client := &http.Client{Transport: &ratelimit.Transport{Reserve: reserve}}
//
// # How it decides
//
// Such a limit is a bucket of permissions. Each request takes one; they come
// back, continuously or at the full second or minute. The documents of Auth0
// say all of that in different places, so nothing is assumed: it is measured.
//
// Credit. After each answer one number is kept for the limit it shows:
//
//	credit = Remaining − sent since + refill − kept for others
//
// Sent since are the requests that left after the one that was answered; they
// may or may not have been counted, so they are taken as counted. A request
// leaves when there is credit for it. As every answer corrects the number, no
// error adds up, and answers that overtake each other do no harm: only the
// answer to the newest request counts. In front of a limit that is used up
// nobody is sent to be refused.
//
// Refill. Remaining plus what we have taken ourselves does not change by our
// own requests. It rises as permissions come back and falls as others use them.
// Its slope over the last seconds is what is left over for us. When others get
// busy it falls and we yield; when they rest it rises and we follow. A jump
// when a far reset is due is a new window and not refill.
//
// Pace. Credit is used within 0.8 s, or half a second where much comes back,
// but no faster than it comes back; what is beyond that is spread over the time
// to the reset, 1 to 10 s. So several importers on one tenant come to use equal
// parts, for they all see the same credit; nothing leaves in bursts; and a
// window is used gently.
//
// Reserve. Where permissions drip back it costs next to nothing to leave many
// of them in the bucket, because the bucket fills as fast at one level as at
// another: what 3 s bring back is kept, at most 40 %, at the price of 3 s in
// the whole job. In a window, what is kept is lost, so there exactly the reserve
// is kept. A reserve of zero keeps a quarter of a second, the age of an answer.
// Others can use what is kept before we hear of it; then we wait.
//
// Two limits. A server with several limits shows the one with the least left,
// so the limit in the headers changes from answer to answer. Each has its own
// credit, and all must have some. One that is not shown has at least as much
// left as the one that is; that corrects it, or shows that it is gone. What is
// kept of a large limit is lowered to what can be seen beside a small one: of
// 200 a minute beside 20 a second, to 14.
//
// Nothing known. Before the first answer one request is sent alone. If no
// headers come the pace starts at 4 a second and grows by 15 % a second until a
// request is refused.
//
// Refusals. One with a Remaining of zero says that we trusted in refill that
// did not come: trust is halved and grows back by 0.2 % an answer. One that no
// header announced comes from a limit that is not shown. All wait a second.
// Between two of these just that limit's refill was used: so much, less 3 %, is
// the pace from then on, and rises slowly until the limit is felt again, about
// once in 400 requests. There is no gentler way to see it.
//
// A server's Retry-After, on a 429 or 503, holds everybody.
//
// Clocks. Only the reset is a time, by the server's clock. The Date of its
// answers tells how far that is from ours.
//
// # What it cannot do
//
// The reserve is kept against our own requests; others may go below it. A limit
// that no header shows costs refusals. Answers are as old as a round trip, so
// that in windows of a second a fifth of the permissions is lost. What is left
// of a window that ends within two seconds is not all used. The benchmark in the
// package's tests has the figures: go test ./ratelimit -run Benchmark -full -v
package ratelimit
