package workers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// ExitSetupFailed is the exit code of a worker that could not set its environment up; its stderr says why.
const ExitSetupFailed = 72

// maxAnswer is how long the helper's answer may be.
const maxAnswer = 64 << 10

// environment is what is set up: a job may have a working_dir, which the text does not name.
type environment struct {
	job  ids.JobID
	text string
}

// prepared is an environment that is set up.
type prepared struct {
	command []string // the interpreter
	// lock is a descriptor with a shared lock on what the helper made: while it is open nobody clears that away. -1: none.
	lock int
}

// Prepare sets up what a worker with this environment (TaskSpec.runtime_env) needs before it can be started. True: there is
// nothing to be done. False: a helper process is at it, and done is called once when it is over, with the reason when it
// failed. What is set up stays so until the pool closes.
func (p *Pool) Prepare(job ids.JobID, text string, done func(failure string)) bool {
	opts, err := ParseRuntimeEnv(text)
	if err != nil || opts.setup == nil {
		return true // a mistake in the text is told by Spawn
	}
	cfg, err := p.of(job)
	if err != nil {
		return true // the same
	}
	env := environment{job, text}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ready := p.prepared[env]; ready && p.exists(env) {
		return true
	}
	if p.closed {
		go done(ErrClosed.Error())
		return false
	}
	p.running.Go(func() {
		made, err := p.runHelper(cfg, opts)
		if err != nil {
			done(err.Error())
			return
		}
		p.mu.Lock()
		before, again := p.prepared[env]
		p.prepared[env] = made
		p.mu.Unlock()
		if again {
			closeAll(before.lock)
		}
		done("")
	})
	return false
}

// exists says whether the interpreter of an environment is still there: somebody may have removed the cache. Called with mu
// held.
func (p *Pool) exists(env environment) bool {
	_, err := os.Stat(p.prepared[env].command[0])
	return err == nil
}

// commandOf is the interpreter of an environment that Prepare has set up. Called with mu held.
func (p *Pool) commandOf(opts SpawnOptions) ([]string, error) {
	made, ok := p.prepared[environment{opts.Job, opts.RuntimeEnv}]
	if !ok {
		return nil, errors.New("workers: spawn: the environment was not set up before")
	}
	return made.command, nil
}

func (p *Pool) unprepare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, made := range p.prepared {
		closeAll(made.lock)
	}
	clear(p.prepared)
}

// runHelper runs mobula/_env/setup.py and reads its answer: one packet, with the descriptor of a lock.
func (p *Pool) runHelper(cfg jobConfig, opts SpawnOptions) (prepared, error) {
	env, err := cfg.environment(opts.Env)
	if err != nil {
		return prepared{}, err
	}
	own := cfg.certificate()
	own.RuntimeEnv, own.Token = opts.RuntimeEnv, "" // it installs other people's code, and has no business with the core
	config, err := own.file()
	if err != nil {
		return prepared{}, err
	}
	defer config.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return prepared{}, fmt.Errorf("workers: setup: %w", os.NewSyscallError("socketpair", err))
	}
	defer unix.Close(pair[0])
	pipes, err := newPipes()
	if err != nil {
		unix.Close(pair[1])
		return prepared{}, err
	}
	pid, fd, err := p.launcher.exec(command([]string{cfg.Python}, "setup", "run_setup", "mobula-setup"), env, []uintptr{
		uintptr(pipes.stdin), uintptr(pipes.theirOut), uintptr(pipes.theirErr), uintptr(pair[1]), config.Fd(),
	})
	unix.Close(pair[1])
	if err != nil {
		pipes.abandon()
		return prepared{}, err
	}
	unix.Close(pipes.goOn)
	pipes.given()
	output := newOutput(nil, func(c chunk) { p.cfg.Logf("setup of a runtime_env: %s", c.text) })
	output.read(pipes.out, false)
	output.read(pipes.err, true)
	how, err := p.await(pid, fd, opts.setup.timeout)
	output.stop()
	if err != nil {
		return prepared{}, err
	}
	return readAnswer(pair[0], how, output.stderrTail())
}

// await waits for the helper's end, or makes it when it takes too long or the pool closes, and buries it with its children.
func (p *Pool) await(pid int, fd *pidfd.FD, timeout time.Duration) (Death, error) {
	ended := make(chan error, 1)
	go func() { ended <- fd.Wait() }()
	var late <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		late = timer.C
	}
	var why error
	select {
	case err := <-ended:
		ended <- err
	case <-late:
		why = fmt.Errorf("it took longer than %v, which is runtime_env['config']['setup_timeout_seconds']", timeout)
	case <-p.stop:
		why = ErrClosed
	}
	if why != nil {
		_ = fd.Signal(unix.SIGKILL)
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	waitErr := <-ended
	_ = unix.Kill(-pid, unix.SIGKILL) // what it left; while it is a zombie its number is its own
	status, err := theReaper.collect(pid, fd)
	fd.Close()
	death := Death{PID: pid, ExitCode: status.ExitCode, Signal: status.Signal, CoreDump: status.CoreDump, Err: errors.Join(waitErr, err)}
	return death, why
}

// readAnswer takes the packet that a helper which has ended left in its socket.
func readAnswer(socket int, how Death, stderr []string) (prepared, error) {
	buf, rights := make([]byte, maxAnswer), make([]byte, unix.CmsgSpace(4))
	n, rightsLen, _, _, err := unix.Recvmsg(socket, buf, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil || n <= 0 {
		text := strings.Replace(how.String(), "worker", "the process that sets it up,", 1)
		return prepared{}, errors.New(strings.Join(append([]string{text}, stderr...), "\n"))
	}
	made := prepared{lock: receivedFD(rights[:rightsLen])}
	var answer struct {
		Command []string `json:"command"`
		Failure string   `json:"failure"`
	}
	switch err := json.Unmarshal(buf[:n], &answer); {
	case err != nil:
		closeAll(made.lock)
		return prepared{}, fmt.Errorf("workers: setup: answer: %w", err)
	case answer.Failure != "":
		closeAll(made.lock)
		return prepared{}, errors.New(answer.Failure)
	case len(answer.Command) == 0:
		closeAll(made.lock)
		return prepared{}, fmt.Errorf("the process that sets it up answered %.200q, which says neither how to start a worker nor why not", buf[:n])
	}
	made.command = answer.Command
	return made, nil
}

func receivedFD(rights []byte) int {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return -1
	}
	return fds[0]
}
