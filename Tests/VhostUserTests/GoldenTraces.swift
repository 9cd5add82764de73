// Recordings, in a notation of our own, of the order in which QEMU 11.1 speaks as a front-end. A line
// that begins with `@` is the owner's word (what the driver or the user did); every other line is a
// message: name, `ack` when an acknowledgement is asked for, `+n` descriptors, payload. Addresses are
// relative to the start of guest memory.

enum GoldenTraces {
    /// A back-end that offers everything: boot, a reset by the guest, a second boot, power-off.
    static let everything = """
        @connect
        GET_FEATURES
        GET_PROTOCOL_FEATURES
        SET_PROTOCOL_FEATURES 0x9803f
        GET_QUEUE_NUM
        GET_MAX_MEM_SLOTS
        SET_BACKEND_REQ_FD ack +1
        SET_OWNER
        GET_FEATURES
        SET_VRING_CALL ack +1 ring 0
        SET_VRING_ERR ack +1 ring 0
        SET_VRING_CALL ack +1 ring 1
        SET_VRING_ERR ack +1 ring 1
        @reset
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        @reset
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        @start
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        SET_FEATURES 0x170009983
        GET_STATUS
        SET_STATUS 0x8
        ADD_MEM_REG ack +1 [0x0 size 0xa0000 user 0x0 file 0x0]
        ADD_MEM_REG ack +1 [0xc0000 size 0xff40000 user 0xc0000 file 0xc0000]
        SET_VRING_NUM ring 0 num 256
        SET_VRING_BASE ring 0 num 0
        SET_VRING_ADDR ring 0 log 0 at 0x29c1000 0x29c2240 0x29c2000 logged at 0x29c2240
        SET_VRING_KICK ack +1 ring 0
        SET_VRING_CALL ack +1 ring 0
        SET_VRING_NUM ring 1 num 256
        SET_VRING_BASE ring 1 num 0
        SET_VRING_ADDR ring 1 log 0 at 0x29c3000 0x29c4240 0x29c4000 logged at 0x29c4240
        SET_VRING_KICK ack +1 ring 1
        SET_VRING_CALL ack +1 ring 1
        GET_STATUS
        SET_STATUS 0xf
        @stop
        GET_VRING_BASE ring 0 num 0
        GET_VRING_BASE ring 1 num 0
        SET_STATUS 0x0
        @reset
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        @start
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        SET_FEATURES 0x170009983
        GET_STATUS
        SET_STATUS 0x8
        SET_VRING_NUM ring 0 num 256
        SET_VRING_BASE ring 0 num 0
        SET_VRING_ADDR ring 0 log 0 at 0x29c1000 0x29c2240 0x29c2000 logged at 0x29c2240
        SET_VRING_KICK ack +1 ring 0
        SET_VRING_CALL ack +1 ring 0
        SET_VRING_NUM ring 1 num 256
        SET_VRING_BASE ring 1 num 0
        SET_VRING_ADDR ring 1 log 0 at 0x29c3000 0x29c4240 0x29c4000 logged at 0x29c4240
        SET_VRING_KICK ack +1 ring 1
        SET_VRING_CALL ack +1 ring 1
        GET_STATUS
        SET_STATUS 0xf
        @stop
        GET_VRING_BASE ring 0 num 0
        GET_VRING_BASE ring 1 num 0
        SET_STATUS 0x0
        """

    /// A back-end without protocol features: no ENABLE, no acknowledgement, the table again at each start.
    static let withoutProtocolFeatures = """
        @connect
        GET_FEATURES
        SET_OWNER
        GET_FEATURES
        SET_VRING_CALL +1 ring 0
        SET_VRING_ERR +1 ring 0
        SET_VRING_CALL +1 ring 1
        SET_VRING_ERR +1 ring 1
        @reset
        @start
        SET_FEATURES 0x130008003
        SET_MEM_TABLE +2 [0x0 size 0xa0000 user 0x0 file 0x0] [0xc0000 size 0xff40000 user 0xc0000 file 0xc0000]
        SET_VRING_NUM ring 0 num 256
        SET_VRING_BASE ring 0 num 0
        SET_VRING_ADDR ring 0 log 0 at 0x29c1000 0x29c2240 0x29c2000 logged at 0x29c2240
        SET_VRING_KICK +1 ring 0
        SET_VRING_CALL +1 ring 0
        SET_VRING_NUM ring 1 num 256
        SET_VRING_BASE ring 1 num 0
        SET_VRING_ADDR ring 1 log 0 at 0x29c3000 0x29c4240 0x29c4000 logged at 0x29c4240
        SET_VRING_KICK +1 ring 1
        SET_VRING_CALL +1 ring 1
        @stop
        GET_VRING_BASE ring 0 num 0
        GET_VRING_BASE ring 1 num 0
        @start
        SET_FEATURES 0x130008003
        SET_MEM_TABLE +2 [0x0 size 0xa0000 user 0x0 file 0x0] [0xc0000 size 0xff40000 user 0xc0000 file 0xc0000]
        SET_VRING_NUM ring 0 num 256
        SET_VRING_BASE ring 0 num 0
        SET_VRING_ADDR ring 0 log 0 at 0x29c1000 0x29c2240 0x29c2000 logged at 0x29c2240
        SET_VRING_KICK +1 ring 0
        SET_VRING_CALL +1 ring 0
        SET_VRING_NUM ring 1 num 256
        SET_VRING_BASE ring 1 num 0
        SET_VRING_ADDR ring 1 log 0 at 0x29c3000 0x29c4240 0x29c4000 logged at 0x29c4240
        SET_VRING_KICK +1 ring 1
        SET_VRING_CALL +1 ring 1
        """

    /// Two queue pairs, no memory slots: the second pair repeats a part of the handshake, its features
    /// and its rings; it is enabled when the driver asks for it.
    static let twoPairs = """
        @connect
        GET_FEATURES
        GET_PROTOCOL_FEATURES
        SET_PROTOCOL_FEATURES 0x9003f
        GET_QUEUE_NUM
        SET_BACKEND_REQ_FD ack +1
        SET_OWNER
        GET_FEATURES
        SET_VRING_CALL ack +1 ring 0
        SET_VRING_ERR ack +1 ring 0
        SET_VRING_CALL ack +1 ring 1
        SET_VRING_ERR ack +1 ring 1
        GET_FEATURES
        GET_PROTOCOL_FEATURES
        SET_PROTOCOL_FEATURES 0x9003f
        GET_FEATURES
        SET_VRING_CALL ack +1 ring 2
        SET_VRING_ERR ack +1 ring 2
        SET_VRING_CALL ack +1 ring 3
        SET_VRING_ERR ack +1 ring 3
        @reset
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        SET_VRING_ENABLE ack ring 2 num 0
        SET_VRING_ENABLE ack ring 3 num 0
        @start
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        SET_FEATURES 0x170409983
        GET_STATUS
        SET_STATUS 0x8
        SET_MEM_TABLE ack +2 [0x0 size 0xa0000 user 0x0 file 0x0] [0xc0000 size 0xff40000 user 0xc0000 file 0xc0000]
        SET_VRING_NUM ring 0 num 256
        SET_VRING_BASE ring 0 num 0
        SET_VRING_ADDR ring 0 log 0 at 0x29c1000 0x29c2240 0x29c2000 logged at 0x29c2240
        SET_VRING_KICK ack +1 ring 0
        SET_VRING_CALL ack +1 ring 0
        SET_VRING_NUM ring 1 num 256
        SET_VRING_BASE ring 1 num 0
        SET_VRING_ADDR ring 1 log 0 at 0x29c3000 0x29c4240 0x29c4000 logged at 0x29c4240
        SET_VRING_KICK ack +1 ring 1
        SET_VRING_CALL ack +1 ring 1
        SET_FEATURES 0x170409983
        GET_STATUS
        SET_VRING_NUM ring 2 num 256
        SET_VRING_BASE ring 2 num 0
        SET_VRING_ADDR ring 2 log 0 at 0x29c5000 0x29c6240 0x29c6000 logged at 0x29c6240
        SET_VRING_KICK ack +1 ring 2
        SET_VRING_CALL ack +1 ring 2
        SET_VRING_NUM ring 3 num 256
        SET_VRING_BASE ring 3 num 0
        SET_VRING_ADDR ring 3 log 0 at 0x29c7000 0x29c8240 0x29c8000 logged at 0x29c8240
        SET_VRING_KICK ack +1 ring 3
        SET_VRING_CALL ack +1 ring 3
        GET_STATUS
        SET_STATUS 0xf
        @enable 0
        SET_VRING_ENABLE ack ring 0 num 1
        SET_VRING_ENABLE ack ring 1 num 1
        @enable 1
        SET_VRING_ENABLE ack ring 2 num 1
        SET_VRING_ENABLE ack ring 3 num 1
        @stop
        GET_VRING_BASE ring 0 num 0
        GET_VRING_BASE ring 1 num 0
        GET_VRING_BASE ring 2 num 0
        GET_VRING_BASE ring 3 num 0
        SET_STATUS 0x0
        """
}
