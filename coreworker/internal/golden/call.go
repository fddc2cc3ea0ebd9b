package golden

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"
)

// Call is one line of a script: words, then key=value arguments in any order, then maybe lines of input below it. What
// the verb does not ask for is a mistake in the script, and so is what it asks for and does not find.
type Call struct {
	Verb  string
	words []string
	args  map[string][]string
	input []string
	asked map[string]bool
	took  int // words asked for
	read  bool
	errs  []string
}

func newCall(d *datadriven.TestData) *Call {
	c := &Call{Verb: d.Cmd, args: map[string][]string{}, asked: map[string]bool{}}
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) == 0 {
			c.words = append(c.words, arg.Key)
		} else {
			c.args[arg.Key] = arg.Vals
		}
	}
	if text := strings.TrimSuffix(d.Input, "\n"); text != "" {
		c.input = strings.Split(text, "\n")
	}
	return c
}

// Word takes the next word; there must be one.
func (c *Call) Word() string {
	if c.took == len(c.words) {
		c.fail("one word more is needed")
		return ""
	}
	c.took++
	return c.words[c.took-1]
}

// Words takes all further words.
func (c *Call) Words() []string {
	rest := c.words[c.took:]
	c.took = len(c.words)
	return rest
}

// Flag takes a word that may stand anywhere after the words taken so far, and says whether it did.
func (c *Call) Flag(name string) bool {
	for i := c.took; i < len(c.words); i++ {
		if c.words[i] == name {
			c.words = append(c.words[:i], c.words[i+1:]...)
			return true
		}
	}
	return false
}

// Arg takes the value of key=value; it must be there.
func (c *Call) Arg(key string) string {
	if _, ok := c.args[key]; !ok {
		c.fail(key + "= is needed")
	}
	return c.Opt(key, "")
}

// Opt takes the value of key=value, or the default.
func (c *Call) Opt(key, otherwise string) string {
	c.asked[key] = true
	vals, ok := c.args[key]
	if !ok {
		return otherwise
	}
	if len(vals) != 1 {
		c.fail(key + "= takes one value")
	}
	return vals[0]
}

// Int is Opt for a number.
func (c *Call) Int(key string, otherwise int) int {
	text := c.Opt(key, strconv.Itoa(otherwise))
	n, err := strconv.Atoi(text)
	if err != nil {
		c.fail(fmt.Sprintf("%s=%s is not a number", key, text))
	}
	return n
}

// List takes the values of key=(a, b, c) or key=a; none where there is no such argument.
func (c *Call) List(key string) []string {
	c.asked[key] = true
	return c.args[key]
}

// Lines takes the input below the line.
func (c *Call) Lines() []string {
	c.read = true
	return c.input
}

func (c *Call) fail(what string) { c.errs = append(c.errs, what) }

// mistake is what is wrong with the line, once the verb is through with it.
func (c *Call) mistake() error {
	for _, word := range c.words[c.took:] {
		c.fail("nobody asked for " + word)
	}
	for key := range c.args {
		if !c.asked[key] {
			c.fail("nobody asked for " + key + "=")
		}
	}
	if len(c.input) > 0 && !c.read {
		c.fail("nobody asked for input")
	}
	if len(c.errs) == 0 {
		return nil
	}
	return fmt.Errorf("mistake in the script: %s", strings.Join(c.errs, "; "))
}
