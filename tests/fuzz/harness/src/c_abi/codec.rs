//! The calls that need no agent.

use super::*;

pub(super) fn build(parts: &[Part<'_>]) {
    // SAFETY: see `Host::step`; a key that was made is freed once.
    unsafe {
        let mut secret = null_mut();
        let (password, length) = span(PASSWORD);
        valid(key::stun_key_new(0, null(), 0, null(), 0, password, length, &mut secret));
        let mut buffer = vec![0xA5; 255];
        let mut builder: stun_wire_builder = MaybeUninit::zeroed().assume_init();
        begin(&mut builder, &mut buffer, 255, 0, 1);
        for part in parts {
            let before = if builder.buf.is_null() { Vec::new() } else { buffer[..builder.len].to_vec() };
            let status = match part {
                Part::Raw(number, value) => stun_wire_add(&mut builder, *number, value.as_ptr(), value.len()),
                Part::Address(which, address) => {
                    let number = [0x0001, 0x0020, 0x0012, 0x0016, 0x8023, 0x802B, 0x802C, 0x0006];
                    let number = number[usize::from(which % 8)];
                    stun_wire_add_address(&mut builder, number, &address.get())
                }
                Part::Error(code, reason) => {
                    stun_wire_add_error(&mut builder, code % 800, reason.as_ptr(), reason.len())
                }
                Part::Sign(which, length) => {
                    stun_wire_sign(&mut builder, u32::from(which % 4), secret, usize::from(*length))
                }
                Part::Fingerprint => stun_wire_add_fingerprint(&mut builder),
                Part::Begin { cap, class, method } => {
                    begin(&mut builder, &mut buffer, *cap, *class, *method);
                    continue;
                }
            };
            match valid(status) {
                0 => assert!(naive::read(&buffer[..builder.len]).is_some()),
                status => {
                    assert_eq!(buffer[..builder.len], before[..], "a refused call changed the message");
                    assert!(status != STUN_E_BUFFER as i32 || builder.needed > builder.cap);
                }
            }
        }
        if !builder.buf.is_null() {
            parse(&buffer[..builder.len]);
        }
        key::stun_key_free(secret);
    }
}

/// # Safety
/// As for any call of the C ABI.
pub(super) unsafe fn begin(
    builder: &mut stun_wire_builder,
    buffer: &mut [u8],
    cap: u8,
    class: u8,
    method: u16,
) {
    let id = [9; 12];
    let cap = usize::from(cap).min(buffer.len());
    // SAFETY: the buffer has `cap` bytes.
    unsafe {
        let class = u32::from(class % 5);
        valid(stun_wire_begin(builder, buffer.as_mut_ptr(), cap, class, method % 0x1100, id.as_ptr()));
    }
}

pub(super) fn parse(bytes: &[u8]) {
    let bytes = bytes.to_vec(); // the allocator's own, for AddressSanitizer
    let naive = naive::read(&bytes);
    // SAFETY: see `Host::step`.
    unsafe {
        let mut message: stun_wire_message = MaybeUninit::zeroed().assume_init();
        let status = valid(stun_wire_parse(bytes.as_ptr(), bytes.len(), &mut message));
        assert_eq!(status == STUN_OK as i32, naive.is_some());
        let Some(naive) = naive else { return };
        assert_eq!(
            (message.message_class, message.method, message.id),
            (naive.class, naive.method, naive.id)
        );
        assert_eq!(message.fingerprint, naive.fingerprint.map_or(0, |is_valid| 2 - u8::from(is_valid)));
        let mut cursor = 0;
        let mut attribute: stun_wire_attribute = MaybeUninit::zeroed().assume_init();
        let mut place = 0;
        while valid(stun_wire_next(&message, &mut cursor, &mut attribute)) == STUN_OK as i32 {
            let expected = &naive.attributes[place];
            let value = std::slice::from_raw_parts(attribute.value, usize::from(attribute.len));
            assert_eq!((attribute.attribute_type, value), (expected.number, &expected.value[..]));
            assert_eq!(attribute.is_covered == 1, place < naive.covered);
            let mut address: stun_addr = MaybeUninit::zeroed().assume_init();
            let status = valid(stun_wire_address(&message, &attribute, &mut address));
            let read = naive::address_type(expected.number)
                .and_then(|is_xored| naive::address(value, is_xored, &naive.id));
            assert_eq!(status == STUN_OK as i32, read.is_some());
            let (mut code, mut reason, mut length) = (0, null(), 0);
            let status = valid(stun_wire_error(&attribute, &mut code, &mut reason, &mut length));
            let error = naive::error_code(value).filter(|_| expected.number == 0x0009);
            assert_eq!((status == STUN_OK as i32).then_some(code), error.map(|(code, _)| u32::from(code)));
            place += 1;
        }
        assert_eq!(place, naive.attributes.len());
    }
}

pub(super) fn codec(call: &Call<'_>) {
    // SAFETY: see `Host::step`.
    unsafe {
        match *call {
            Call::Frame { bytes, is_stream } => {
                let bytes = bytes.to_vec();
                let (mut kind, mut length) = (99, 0);
                valid(stun_classify(bytes.as_ptr(), bytes.len(), &mut kind));
                assert!(kind <= 7);
                let status = valid(stun_frame_length(bytes.as_ptr(), bytes.len(), &mut length));
                let is_whole = status == STUN_OK as i32 && length <= bytes.len();
                assert_eq!(is_whole, matches!(naive::frame(&bytes), naive::Frame::Whole(_)));
                let (mut channel, mut payload, mut size) = (0, null(), 0);
                let status = stun_channel_data_parse(
                    bytes.as_ptr(),
                    bytes.len(),
                    u32::from(is_stream % 3),
                    &mut channel,
                    &mut payload,
                    &mut size,
                );
                if valid(status) == STUN_OK as i32 {
                    assert_eq!(std::slice::from_raw_parts(payload, size), &bytes[4..4 + size]);
                }
            }
            Call::Channel { channel, bytes, is_stream, cap } => {
                let mut buffer = vec![0xA5; usize::from(cap)];
                let mut written = 0;
                let status = stun_channel_data_write(
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    channel,
                    bytes.as_ptr(),
                    bytes.len(),
                    u32::from(is_stream % 3),
                    &mut written,
                );
                match valid(status) {
                    0 => assert_eq!(buffer[4..4 + bytes.len()], *bytes),
                    _ => assert!(buffer.iter().all(|byte| *byte == 0xA5)),
                }
            }
            Call::Sockaddr { bytes, address, cap } => {
                let bytes = bytes.to_vec();
                let mut read: stun_addr = MaybeUninit::zeroed().assume_init();
                valid(sockaddr::stun_addr_from_sockaddr(bytes.as_ptr().cast(), bytes.len(), &mut read));
                let mut buffer = vec![0xA5_u8; usize::from(cap)];
                let mut length = 0;
                let address = address.get();
                let room = buffer.as_mut_ptr().cast();
                let status = sockaddr::stun_addr_to_sockaddr(&address, room, buffer.len(), &mut length);
                if valid(status) == STUN_OK as i32 {
                    let pointer = buffer.as_ptr().cast();
                    let status = valid(sockaddr::stun_addr_from_sockaddr(pointer, length, &mut read));
                    assert_eq!((status, read.port, read.family), (0, address.port, address.family));
                }
            }
            _ => {}
        }
    }
}
