"""A key's request beside another key's sheet."""

from core.keys import create_key
from tests.integration.shop import poll


def test_a_single_image_goes_ahead_of_another_keys_sheet(serve, settings, send, database, shop):
    client = serve(settings.model_copy(update={"queue_window": 8}))
    lines = "".join(f"{number},mug {number}\n" for number in range(20))
    send(client, f"sku,prompt\n{lines}")
    with database.session() as session:
        key, plain = create_key(session, "shop")
        asking = key.id
    headers = {"Authorization": f"Bearer {plain}"}
    single = client.post("/v1/jobs", json={"prompt": "a red cup"}, headers=headers).json()
    generation_id = shop.generation_of(single["id"])
    poll(lambda: shop.generation(generation_id).published_at)
    generation = shop.generation(generation_id)
    assert generation.api_key_id == asking
    assert generation.published_first
    sheet = [one for one in shop.generations() if one.id != generation_id]
    poll(lambda: sum(one.published_at is not None for one in shop.generations()) == 9)
    assert len({one.api_key_id for one in sheet}) == 1
    assert sheet[0].api_key_id != asking
    assert not any(one.published_first for one in shop.generations() if one.id != generation_id)
