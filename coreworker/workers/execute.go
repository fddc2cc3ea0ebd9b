package workers

// execute makes a worker that is its own interpreter from the start. Called with mu held; the work is done apart.
func (p *Pool) execute(b *birth) {
	p.sent[b.worker.id] = b
	p.running.Go(func() {
		err := p.tryExecute(b)
		if err == nil {
			return
		}
		p.mu.Lock()
		delete(p.sent, b.worker.id)
		p.mu.Unlock()
		p.fail(b, err)
	})
}

func (p *Pool) tryExecute(b *birth) error {
	env, err := b.cfg.environment(b.opts.Env)
	if err != nil {
		return err
	}
	if b.pipes, err = newPipes(); err != nil {
		b.pipes = nil
		return err
	}
	own := b.cfg.certificate()
	own.TicketFD, own.WorkerID, own.RuntimeEnv = childTicket, b.worker.id.String(), b.opts.RuntimeEnv
	python := []string{b.cfg.Python}
	if len(b.opts.Command) > 0 {
		python, own.OwnPath = b.opts.Command, true
	}
	config, err := own.file()
	if err != nil {
		return err
	}
	defer config.Close()
	files := []uintptr{
		uintptr(b.pipes.stdin), uintptr(b.pipes.theirOut), uintptr(b.pipes.theirErr), uintptr(b.pipes.theirGo),
		config.Fd(), inherited(p.cfg.ArenaFD), inherited(p.cfg.PageFD), inherited(p.cfg.SpillFD), uintptr(b.worker.tickets.fd),
	}
	pid, fd, err := p.launcher.exec(command(python, "zygote", "run_single", "mobula-worker"), env, files)
	if err != nil {
		return err
	}
	b.pipes.given()
	p.mu.Lock()
	delete(p.sent, b.worker.id)
	p.register(b, pid, fd)
	p.mu.Unlock()
	return nil
}

// inherited is what ForkExec understands for "no such descriptor in the child".
func inherited(fd int) uintptr {
	if fd < 0 {
		return ^uintptr(0)
	}
	return uintptr(fd)
}
