// Command robfigslots says when the cron library of Kubernetes sees the slots
// of a timetable, so that tests compare Eagle with the library itself and not
// with what somebody remembers of it.
//
// It reads one question a line: fields, time zone, from, until (both in
// seconds since 1970) and limit, with tabs in between. It answers each at once
// with one line: the slots in (from, until], at most limit of them, in seconds
// since 1970; or an exclamation mark and why the library refuses the fields.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	questions := bufio.NewScanner(os.Stdin)
	for questions.Scan() {
		line, err := answer(questions.Text())
		if err == nil {
			_, err = fmt.Println(line)
		}
		if err != nil {
			fail(err)
		}
	}
	if err := questions.Err(); err != nil {
		fail(err)
	}
}

func answer(question string) (string, error) {
	columns := strings.Split(question, "\t")
	if len(columns) != 5 {
		return "", fmt.Errorf("a question has 5 columns, not %d: %q", len(columns), question)
	}
	var numbers []int64
	for _, column := range columns[2:] {
		number, err := strconv.ParseInt(column, 10, 64)
		if err != nil {
			return "", err
		}
		numbers = append(numbers, number)
	}
	timetable, err := parse(columns[0], columns[1])
	if err != nil {
		return fmt.Sprintf("! %q", err.Error()), nil
	}
	slots, err := between(timetable, time.Unix(numbers[0], 0), time.Unix(numbers[1], 0), int(numbers[2]))
	return strings.Join(slots, " "), err
}

// parse reads the fields twice, as Kubernetes does: the API server without the
// zone, to which a panic is a refusal, and the controller with it.
func parse(fields, zone string) (timetable cron.Schedule, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	if _, err := cron.ParseStandard(fields); err != nil {
		return nil, err
	}
	return cron.ParseStandard(fmt.Sprintf("TZ=%s %s", zone, fields))
}

func between(timetable cron.Schedule, from, until time.Time, limit int) ([]string, error) {
	var slots []string
	for len(slots) < limit {
		slot := timetable.Next(from)
		// The zero time: nothing within five years.
		if slot.IsZero() || slot.After(until) {
			break
		}
		if !slot.After(from) {
			return nil, fmt.Errorf("the library went back from %s to %s", from, slot)
		}
		slots, from = append(slots, strconv.FormatInt(slot.Unix(), 10)), slot
	}
	return slots, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "robfigslots:", err)
	os.Exit(1)
}
