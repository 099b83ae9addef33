throw Object.assign(new Error('broken at the start'), { code: 'E_BROKEN' });
