package ratelimit

import (
	"net/http"
	"testing"
	"time"
)

func TestReadAnswer(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := now.Add(-3 * time.Second)
	dated := date.Format(http.TimeFormat)
	tests := []struct {
		name    string
		headers []string
		want    answer
	}{
		{"all", []string{"X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "1772366404", "Date", dated},
			answer{shows: true, limit: 20, remaining: 7, reset: time.Unix(1772366404, 0), date: date}},
		{"none", nil, answer{}},
		{"no limit", []string{"X-RateLimit-Remaining", "7"}, answer{}},
		{"no remaining", []string{"X-RateLimit-Limit", "20"}, answer{}},
		{"no reset", []string{"X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "7"}, answer{shows: true, limit: 20, remaining: 7}},
		{"reset that is no number", []string{"X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "soon"}, answer{shows: true, limit: 20, remaining: 7}},
		{"a limit of nothing", []string{"X-RateLimit-Limit", "0", "X-RateLimit-Remaining", "0"}, answer{}},
		{"more left than there can be", []string{"X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "25"}, answer{shows: true, limit: 20, remaining: 20}},
		{"less than nothing left", []string{"X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "-1"}, answer{shows: true, limit: 20}},
		{"retry after seconds", []string{"Retry-After", "30"}, answer{retryAfter: 30 * time.Second}},
		{"retry after a date of the server's clock", []string{"Retry-After", date.Add(time.Minute).Format(http.TimeFormat), "Date", dated},
			answer{retryAfter: time.Minute, date: date}},
		{"retry after a date, without the server's clock", []string{"Retry-After", now.Add(time.Minute).Format(http.TimeFormat)}, answer{retryAfter: time.Minute}},
		{"retry after a date that is past", []string{"Retry-After", now.Add(-time.Minute).Format(http.TimeFormat)}, answer{}},
		{"retry after years", []string{"Retry-After", "18446744073709551615"}, answer{retryAfter: 24 * time.Hour}},
		{"retry after nonsense", []string{"Retry-After", "-5"}, answer{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp := &http.Response{StatusCode: 204, Header: http.Header{}}
			for i := 0; i < len(test.headers); i += 2 {
				resp.Header.Set(test.headers[i], test.headers[i+1])
			}
			test.want.status = 204
			if got := readAnswer(resp, now); got != test.want {
				t.Errorf("\n got %+v\nwant %+v", got, test.want)
			}
		})
	}
}
