// Files that netemu writes where something is in the way: pipes that nobody reads, a limit of size, a full disk, links
// of others. Nothing blocks, nothing ends it without a word, nothing is left behind.

import CLinux
import Glibc
import TestSupport
import Testing

@Suite("files in the way", .serialized)
struct HarmlessFilesTests {
    /// netemu behind a shell that does something first; `$0` is netemu.
    private func start(_ ground: Ground, _ script: String, _ words: [String] = []) throws -> Child {
        try ground.namespace.start(
            ["/bin/sh", "-c", script, try Peers.built("netemu").require()] + words, directory: ground.directory.path,
            environment: ["XDG_RUNTIME_DIR": ground.runtime])
    }

    @Test("-D and a capture on a FIFO without a reader are errors, not waits")
    func deafFIFO() throws {
        try withGround(as: .mapped) { ground in
            let fifo = ground.directory.path + "/fifo"
            #expect(mkfifo(fifo, 0o600) == 0)
            let log = try ground.start(["-nic", "none", "-D", fifo])
            #expect(try log.wait() == .exited(1))
            #expect(log.errors == "netemu: Error opening logfile \(fifo): No such device or address\n")
            let capture = try ground.start([
                "-netdev", "hubport,id=n0,hubid=0", "-object", "filter-dump,id=f0,netdev=n0,file=\(fifo)",
            ])
            #expect(try capture.wait() == .exited(1))
            #expect(capture.errors.contains("Could not open '\(fifo)': No such device or address"))
        }
    }

    @Test("a reader of -D that stops reading does not stop netemu; SIGTERM ends it")
    func lateLog() throws {
        try withGround(as: .mapped) { ground in
            let fifo = ground.directory.path + "/fifo"
            #expect(mkfifo(fifo, 0o600) == 0)
            let reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            defer { close(reader) }
            let child = try ground.start(["-nic", "none", "-D", fifo, "-monitor", "stdio"], input: .pipe)
            try child.wait(for: "(netemu) ")
            // The pipe is full before netemu says a word.
            let writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            let block = [UInt8](repeating: 0x78, count: 4096)
            while write(writer, block, block.count) > 0 {}
            close(writer)
            child.signal(SIGTERM)
            #expect(try child.wait() == .exited(0))
        }
    }

    @Test("a limit of size is an error of the file that reached it: the pid file, guest memory")
    func sizeLimit() throws {
        try withGround(as: .mapped) { ground in
            // What is said goes through a pipe: a file could not take it.
            let pid = try start(
                ground, "{ (ulimit -f 0; exec \"$0\" -nic none -pidfile pid); echo status $?; } 2>&1 | cat")
            #expect(try pid.wait() == .exited(0))
            #expect(pid.output.contains("Failed to write pid file: File too large"), "\(pid.transcript)")
            #expect(pid.output.hasSuffix("status 1\n"))
            #expect(!ground.directory.entries.contains("pid"))

            let memory = try start(ground, "ulimit -f 1000; exec \"$0\" -nic none")
            #expect(try memory.wait() == .exited(1))
            #expect(memory.errors.contains("File too large"), "\(memory.transcript)")
        }
    }

    @Test("a capture that reaches the limit of size ends with a word, and the network goes on")
    func captureLimit() throws {
        try withGround(as: .mapped) { ground in
            // 16 MiB of memory fit (of 20 MB), the capture of 30 MB does not.
            let child = try start(
                ground,
                """
                ulimit -f 40000; exec "$0" -m 16M -nic passt,id=n0,path=\(ground.passt) \
                -object filter-dump,id=f0,netdev=n0,file=cap \
                -guest node,run='curl -s -o /dev/null http://\(gateway):8080/bytes/30000000 && ping -c 1 -W 5 \(gateway)'
                """)
            #expect(try child.wait(seconds: 60) == .exited(0), "\(child.transcript)")
            #expect(child.errors.contains("f0: cap: File too large; the capture ends here"), "\(child.transcript)")
        }
    }

    @Test("a pid file on a full disk is told and removed", .enabled(if: getuid() == 0))
    func fullDisk() throws {
        try withGround(as: .root) { ground in
            // A tmpfs with room for a name and for no byte.
            let child = try start(
                ground,
                """
                exec unshare -m sh -c 'mkdir full && mount -t tmpfs -o size=4k none full && head -c 4096 /dev/zero >full/x &&
                { "$0" -nic none -monitor none -pidfile full/pid; echo "status $?"; ls full; }' "$0"
                """)
            _ = try child.wait()
            #expect(child.errors.contains("Failed to write pid file: No space left on device"), "\(child.transcript)")
            #expect(child.output == "status 1\nx\n", "\(child.transcript)")
        }
    }

    @Test(
        "the pid file of a netemu that became another user goes with it, also after SIGKILL",
        .enabled(if: getuid() == 0))
    func foreignPidFile() throws {
        try withGround(as: .root) { ground in
            let file = ground.directory.path + "/pid"
            for signal in [SIGTERM, SIGKILL] {
                let child = try ground.start([
                    "-nic", "none", "-monitor", "none", "-runas", "65534:65534", "-pidfile", "pid",
                ])
                #expect(eventually { textOfFile(file)?.isEmpty == false })
                #expect(eventually { textOfFile("/proc/\(child.pid)/status")?.contains("Uid:\t65534") == true })
                child.signal(signal)
                _ = try child.wait()
                #expect(eventually { !ground.directory.entries.contains("pid") }, "\(signal)")
            }
            #expect(ground.namespace.isEmpty(within: 5) || ground.namespace.processes.count == 1)
        }
    }

    @Test("links of others are not followed: captures, -D, -pidfile, curl -o", .enabled(if: getuid() == 0))
    func foreignLinks() throws {
        try withGround(as: .root) { ground in
            let path = ground.directory.path
            #expect(chmod(path, 0o1777) == 0)
            for name in ["cap", "log", "pid", "page"] {
                #expect(symlink("victim", "\(path)/\(name)") == 0 && lchown("\(path)/\(name)", 65534, 65534) == 0)
            }
            func refused(_ words: [String]) throws {
                let child = try ground.start(["-m", "16M"] + words)
                #expect(try child.wait(seconds: 20) == .exited(1), "\(child.transcript)")
                #expect(child.errors.contains("Permission denied"), "\(child.transcript)")
            }
            try refused(["-netdev", "hubport,id=n0,hubid=0", "-object", "filter-dump,id=f0,netdev=n0,file=cap"])
            try refused(["-nic", "none", "-D", "log"])
            try refused(["-nic", "none", "-pidfile", "pid"])
            let curl = try ground.start([
                "-nic", "passt,path={passt}", "-guest",
                "node,run=curl -s -o page http://\(gateway):8080/bytes/10 || echo no",
            ])
            #expect(try curl.wait(seconds: 20) == .exited(0))
            #expect(curl.output.contains("no"), "\(curl.transcript)")
            #expect(!ground.directory.entries.contains("victim"))
        }
    }

    @Test(
        "with few descriptors each start works or says one line; nothing is left",
        arguments: [
            ["-nic", "passt,path={passt}"], ["-nic", "passt,vhost-user=on,path={passt}"],
            ["-netdev", "stream,id=n0,server=on,addr.type=unix,addr.path=s", "-device", "virtio-net-pci,netdev=n0"],
        ])
    func fewDescriptors(words: [String]) throws {
        try withGround(as: .mapped) { ground in
            let words = words.map { $0.hasSuffix("{passt}") ? $0.dropLast(7) + ground.passt : $0 }
            let isStream = words[0] == "-netdev"
            var said: [String] = []
            for limit in isStream ? [5, 6, 7, 8] : [5, 6, 7, 8, 9, 11, 14, 17, 18, 20] {
                let child = try start(
                    ground, "ulimit -n \(limit); exec \"$0\" \"$@\" -m 16M -guest node,run='ip link'", words)
                let status = try child.wait(seconds: 20)
                // A server that nobody connected to gives no address, which is told, too.
                let lines = child.errors.split(separator: "\n")
                    .filter { $0.hasPrefix("netemu: ") && !$0.contains("no address within") }.map(String.init)
                #expect(status == .exited(0) || status == .exited(125), "\(limit): \(child.transcript)")
                // A server that cannot listen is a warning: the rest runs.
                let most = status == .exited(125) || isStream ? 1 : 0
                #expect(lines.count <= most && (status == .exited(0) || lines.count == 1), "\(child.transcript)")
                said += lines
                #expect(eventually { ground.leftovers == [] }, "\(limit): \(ground.leftovers)")
                #expect(!ground.directory.entries.contains("s"))
            }
            #expect(said.contains { $0.contains("Too many open files") })
            if isStream {
                #expect(said.contains("netemu: warning: n0: Failed to bind socket to s: Too many open files"))
            }
        }
    }
}
