from chat.gateway.connection import ConnectionLimits
from chat.gateway.echo import echo_limits


def test_echo_has_the_chat_s_frame_limit_and_a_higher_frame_rate():
    chat = ConnectionLimits(frame_limit_bytes=1234, max_frames_per_s=200)
    echo = echo_limits(chat)
    assert echo.frame_limit_bytes == chat.frame_limit_bytes
    assert echo.max_frames_per_s > chat.max_frames_per_s
