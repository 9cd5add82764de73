// The process itself: in the background, with a pid file, as another user, in a sandbox.

import CLinux
import Glibc
import TestSupport
import Testing

@Suite("netemu as a process", .serialized)
struct ProcessTests {
    @Test(
        "-daemonize returns when everything is ready; pid file, log and sandbox; passt still comes back; quit leaves nothing"
    )
    func daemon() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            let words = [
                "-nic", "passt,id=n0,path={passt}", "-daemonize", "-pidfile", "\(path)/pid", "-D", "\(path)/log",
                "-monitor", "unix:\(path)/monitor,server=on,wait=off", "-sandbox", "on",
            ]
            let parent = try ground.start(words)
            // The daemon is nobody's child: it ends here whatever fails.
            defer { if let left = pid_t(text(path + "/pid").dropLast()) { kill(left, SIGKILL) } }
            #expect(try parent.wait() == .exited(0), "\(parent.transcript)")
            let pid = try #require(pid_t(text(path + "/pid").dropLast()))
            #expect(kill(pid, 0) == 0)
            let status = text("/proc/\(pid)/status")
            #expect(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"))
            #expect(status.contains("CapEff:\t0000000000000000"))

            let monitor = try UnixClient(path: path + "/monitor")
            _ = try monitor.ask("info status", until: "VM status: running\n(netemu) ")
            let passt = try #require(try connectedPID(monitor))
            kill(passt, SIGKILL)
            #expect(try eventually { try connectedPID(monitor).map { $0 != passt } ?? false })
            #expect(text(path + "/log").contains("starting passt again"))
            monitor.write("quit\n")
            #expect(eventually { isGone(pid) })
            #expect(eventually { ground.leftovers == [] })
            #expect(!ground.directory.entries.contains("pid") && !ground.directory.entries.contains("monitor"))
        }
    }

    @Test("a daemon that fails says why and its parent's status is 1")
    func failingDaemon() throws {
        try withGround(as: .mapped) { ground in
            let parent = try ground.start(["-nic", "passt,path=/bin/false", "-daemonize"])
            #expect(try parent.wait() == .exited(1))
            #expect(parent.errors.contains("netemu: -nic passt,path=/bin/false: Passt exited with code 1"))
            let second = try ground.start(["-nic", "none", "-daemonize", "-monitor", "stdio"])
            #expect(try second.wait() == .exited(1))
            #expect(second.errors == "netemu: -monitor stdio: cannot use stdio with -daemonize\n")
        }
    }

    @Test("a daemon whose command is killed before it returns ends, and leaves nothing")
    func abandonedDaemon() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            // It waits for its first client.
            let parent = try ground.start([
                "-nic", "passt,path={passt}", "-daemonize", "-pidfile", "\(path)/pid", "-D", "\(path)/log",
                "-chardev", "socket,id=c0,path=\(path)/m,server=on", "-mon", "c0",
            ])
            #expect(eventually { !text(path + "/pid").isEmpty && ground.directory.entries.contains("m") })
            let pid = try #require(pid_t(text(path + "/pid").dropLast()))
            defer { kill(pid, SIGKILL) }
            #expect(pid != parent.pid)
            parent.signal(SIGKILL)
            #expect(eventually { !["pid", "m"].contains { ground.directory.entries.contains($0) } }, "it lives on")
            #expect(eventually { ground.leftovers == [] })
            #expect(eventually { isGone(pid) })
            #expect(parent.errors.contains("the command that started this daemon has ended before it was ready"))
        }
    }

    @Test("a daemon that is killed before it is ready: the command that started it says so")
    func killedDaemon() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            let parent = try ground.start([
                "-nic", "passt,path={passt}", "-daemonize", "-pidfile", "\(path)/pid", "-chardev",
                "socket,id=c0,path=\(path)/m,server=on", "-mon", "c0",
            ])
            #expect(eventually { !text(path + "/pid").isEmpty && ground.directory.entries.contains("m") })
            let pid = try #require(pid_t(text(path + "/pid").dropLast()))
            kill(pid, SIGKILL)
            #expect(try parent.wait() == .exited(1))
            #expect(
                parent.errors.hasSuffix("netemu: signal 9 ended the daemon before it was ready\n"), "\(parent.errors)")
            #expect(eventually { ground.leftovers == [] })
        }
    }

    @Test("whatever ends a process ends netemu in order; QEMU's own signals it lives on with")
    func signals() throws {
        try withGround(as: .mapped) { ground in
            let file = ground.directory.path + "/pid"
            for number in [SIGHUP, SIGQUIT, SIGUSR2, SIGVTALRM, SIGPROF, SIGXCPU, 16, 30, 34, 64] {
                let child = try ground.start(["-nic", "none", "-pidfile", file])
                try child.wait(for: "kill \(child.pid) ends it")
                for harmless in [SIGUSR1, SIGALRM, SIGPOLL, SIGPIPE, SIGXFSZ, SIGURG, SIGWINCH] {
                    child.signal(harmless)
                }
                child.signal(number)
                #expect(try child.wait() == .exited(0), "signal \(number)")
                #expect(child.errors.contains("netemu: terminating on signal \(number) from pid \(getpid())\n"))
                #expect(!ground.directory.entries.contains("pid"), "signal \(number)")
            }
        }
    }

    @Test("what a log cannot take is said on standard error, and the log tells how much it misses when it goes on")
    func fullLog() throws {
        try withGround(as: .mapped) { ground in
            let log = ground.directory.path + "/log"
            let monitor = ground.directory.path + "/m"
            let child = try ground.start(["-nic", "none", "-monitor", "unix:\(monitor),server=on,wait=off", "-D", log])
            _ = try UnixClient(path: monitor).ask("info status", until: "VM status: running")
            #expect(truncate(log, 4096) == 0)
            let limit = try ground.namespace.run(["prlimit", "--pid", "\(child.pid)", "--fsize=4096:"])
            #expect(limit.status == .exited(0), "\(limit.child.transcript)")
            try UnixClient(path: monitor).write("GET / HTTP/1.1\r\n")
            try child.wait(for: "an HTTP request came instead of a user")
            let why = "File too large"
            let warning = "netemu: warning: cannot write to the log \(log): \(why)\n"
            #expect(child.errors.contains(warning), "\(child.transcript)")
            #expect(truncate(log, 0) == 0)
            child.signal(SIGTERM)
            #expect(try child.wait() == .exited(0))
            let said = text(log)
            #expect(said.contains("netemu: a message could not be written here (\(why))\n"), "\(said)")
            #expect(said.contains("terminating on signal 15") && !child.errors.contains("terminating on signal"))
        }
    }

    @Test("a pid file that another netemu holds is not taken")
    func lockedPidFile() throws {
        try withGround(as: .mapped) { ground in
            let file = ground.directory.path + "/pid"
            let first = try ground.start(["-nic", "none", "-monitor", "none", "-pidfile", file])
            #expect(eventually { !text(file).isEmpty })
            let second = try ground.start(["-nic", "none", "-monitor", "none", "-pidfile", file])
            #expect(try second.wait() == .exited(1))
            #expect(second.errors.contains("cannot create PID file: Cannot lock pid file: "))
            first.signal(SIGTERM)
            #expect(try first.wait() == .exited(0))
            #expect(text(file) == "")
        }
    }

    @Test("-runas: netemu and its passt run as that user", .enabled(if: getuid() == 0))
    func otherUser() throws {
        try withGround(as: .root) { ground in
            let script = "ip addr && ping -c 1 -W 2 \(gateway)"
            let child = try ground.start(
                ["-nic", "passt,path={passt}", "-runas", "65534:65534", "-guest", "node,run=\(script)"])
            #expect(try child.wait(seconds: 20) == .exited(0), "\(child.transcript)")
            let unknown = try ground.start(["-nic", "none", "-runas", "nosuch"])
            #expect(try unknown.wait() == .exited(1))
            #expect(unknown.errors == "netemu: -runas nosuch: User \"nosuch\" doesn't exist (and is not <uid>:<gid>)\n")
        }
    }

    @Test("in the sandbox no program can be started")
    func sandboxedSpawn() throws {
        try withGround(as: .mapped) { ground in
            let child = try ground.start(
                ["-nic", "passt,path={passt}", "-sandbox", "on", "-guest", "node,run=ping -c 1 -W 2 \(gateway)"])
            #expect(try child.wait(seconds: 20) == .exited(0), "\(child.transcript)")
        }
    }

    // MARK: parts

    private func isGone(_ pid: pid_t) -> Bool {
        kill(pid, 0) != 0 || text("/proc/\(pid)/status").contains("(zombie)")
    }

    private func connectedPID(_ monitor: UnixClient) throws -> pid_t? {
        let answer = try monitor.ask("info network", until: "\n(netemu) ")
        guard let range = answer.firstRange(of: "connected to pid ") else { return nil }
        return pid_t(answer[range.upperBound...].prefix { $0.isNumber })
    }
}

/// A file's text; empty when it cannot be read.
private func text(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 16384)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
}
