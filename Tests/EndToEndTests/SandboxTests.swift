// `-sandbox on` from inside and from outside: what code in netemu cannot do, and that everything still works.

import CLinux
import Glibc
import TestSupport
import Testing

@Suite("the sandbox", .serialized)
struct SandboxTests {
    /// Looking into, changing or holding on to another process; and what leads out of the wall.
    static let attempts = [
        "ptrace-attach", "ptrace-seize", "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "kcmp",
        "proc-mem", "proc-maps", "proc-environ", "proc-fd", "proc-oom_score_adj", "proc-cmdline", "proc-core_pattern",
        "kill", "fcntl-owner", "prlimit", "peer-pidfd", "io_uring", "bpf", "unshare", "open_by_handle_at", "keyctl",
        "perf_event_open", "socket-packet", "socket-alg", "prctl-dumpable", "type", "type-wide", "mount",
    ]

    @Test("from inside no process can be reached, neither the minder nor another", arguments: Privilege.available)
    func wall(privilege: Privilege) throws {
        try withNamespace(as: privilege) { namespace in
            let other = try namespace.start(["cat"], input: .pipe)
            for victim in ["minder", String(other.pid)] {
                let results = try attempt("on", victim, Self.attempts, in: namespace)
                #expect(results.count == Self.attempts.count)
                for (name, code) in results where hasFence || !name.hasPrefix("proc-") {
                    #expect(code == Self.answer(to: name), "\(name) on \(victim)")
                }
            }
        }
    }

    /// The call does not exist, or the file is behind the fence.
    private static func answer(to attempt: String) -> Int32 {
        guard attempt.hasPrefix("proc-") else { return ENOSYS }
        return EACCES
    }

    @Test("without any sandbox the minder cannot be traced or read by its own user", .enabled(if: getuid() == 0))
    func hiddenMinder() throws {
        try withNamespace(as: .plain) { namespace in
            let attempts = ["ptrace-attach", "process_vm_writev", "proc-mem", "proc-environ", "proc-fd"]
            let results = try attempt("none", "minder", attempts, in: namespace)
            for name in attempts { #expect([EPERM, EACCES].contains(results[name] ?? 0), "\(name)") }
            // The same attempts work on a process that does not hide.
            let other = try namespace.start(["cat"], input: .pipe)
            #expect(eventually { text("/proc/\(other.pid)/comm") == "cat\n" })
            #expect(try attempt("none", String(other.pid), ["proc-mem"], in: namespace) == ["proc-mem": 0])
        }
    }

    @Test(
        "the fence alone keeps /proc of others and files of the kernel away, also from root",
        .enabled(if: hasFence, "this kernel has no Landlock"))
    func fence() throws {
        try withNamespace(as: Privilege.available[0]) { namespace in
            let other = try namespace.start(["cat"], input: .pipe)
            let attempts = ["proc-mem", "proc-environ", "proc-cmdline", "proc-oom_score_adj", "proc-core_pattern"]
            let results = try attempt("fence", String(other.pid), attempts, in: namespace)
            for name in attempts { #expect(results[name] == EACCES, "\(name)") }
        }
    }

    @Test(
        "each of QEMU's kinds ends the process, unless it is allowed",
        arguments: [
            ("spawn", "fork"), ("spawn", "execve"), ("elevateprivileges", "setuid"),
            ("resourcecontrol", "sched_setaffinity"), ("obsolete", "readahead"),
        ])
    func kinds(kind: String, call: String) throws {
        try withNamespace(as: .mapped) { namespace in
            let probe = try Peers.built("sandbox-probe").require()
            let denied = try namespace.run([probe, "on", "minder", call])
            #expect(denied.status == .signalled(SIGSYS), "\(denied.child.transcript)")
            let allowed = try namespace.run([probe, kind, "minder", call])
            #expect(allowed.status == .exited(0), "\(allowed.child.transcript)")
        }
    }

    @Test(
        "a whole session works inside: cards and networks come and go, files, names, a dead passt",
        arguments: [true, false])
    func session(rings: Bool) throws {
        try withGround(as: .mapped) { ground in
            let words = ["-nic", "passt,id=n0,path={passt}\(rings ? ",vhost-user=on" : "")", "-sandbox", "on"]
            let session = try ground.session(words: words.map { $0 == "{passt}" ? ground.passt : $0 })
            try session.waitForLease()
            #expect(try session.run("curl -s -o got http://\(gateway):8080/bytes/100000").status == 0)
            #expect(textOfFile(ground.directory.path + "/got")?.isEmpty == false)

            let first = try #require(try session.passtPID())
            kill(first, SIGKILL)
            #expect(try eventually { try session.passtPID().map { $0 != first } ?? false })
            try session.waitForLease(seconds: 20)
            #expect(try session.run("ping -c 1 -W 5 \(gateway)").status == 0)

            for command in [
                "netdev_add stream,id=s0,server=off,addr.type=inet,addr.host=localhost,addr.port=1,reconnect-ms=100",
                "netdev_add passt,id=n1,path=\(ground.passt)", "device_add virtio-net-pci,netdev=n1,id=d1",
                "object_add filter-dump,id=f0,netdev=n1,file=\(ground.directory.path)/cap", "object_del f0",
                "chardev-add socket,id=c0,path=\(ground.directory.path)/c0,server=on,wait=off",
                "chardev-remove c0", "device_del d1", "netdev_del n1", "netdev_del s0",
            ] {
                let answer = try session.monitor(command, seconds: 20)
                #expect(!answer.contains("Error"), "\(command): \(answer)")
            }
            session.child.write("quit\n")
            #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
            #expect(eventually { ground.leftovers == [] })
        }
    }

    @Test("a process in the sandbox goes on after SIGSTOP and SIGCONT")
    func stopped() throws {
        try withGround(as: .mapped) { ground in
            let session = try ground.session(words: ["-nic", "passt,path=\(ground.passt)", "-sandbox", "on"])
            try session.waitForLease()
            for _ in 0..<5 {
                session.child.signal(SIGSTOP)
                usleep(50_000)
                session.child.signal(SIGCONT)
            }
            #expect(try session.run("ping -c 1 -W 5 \(gateway)").status == 0)
        }
    }

    /// errno, or 0, of each attempt.
    private func attempt(_ wall: String, _ victim: String, _ attempts: [String], in namespace: Namespace) throws
        -> [String: Int32]
    {
        let probe = try Peers.built("sandbox-probe").require()
        let (status, child) = try namespace.run([probe, wall, victim] + attempts)
        #expect(status == .exited(0), "\(child.transcript)")
        var results: [String: Int32] = [:]
        for line in child.output.split(separator: "\n") {
            let parts = line.split(separator: " ")
            if parts.count == 2, let code = Int32(parts[1]) { results[String(parts[0])] = code }
        }
        return results
    }
}

/// A kernel without Landlock has no fence.
private let hasFence = ne_landlock_version() > 0

private func text(_ path: String) -> String { textOfFile(path) ?? "" }
